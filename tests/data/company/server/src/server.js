'use strict';
const http = require('node:http');
const { placeOrder, openOrders } = require('./orders');

const port = Number(process.env.PORT || 5000);

http.createServer(async (request, response) => {
  if (request.url === '/health') return response.end('ok\n');
  if (request.url === '/orders' && request.method === 'GET')
    return response.end(JSON.stringify(await openOrders()));
  if (request.url === '/orders' && request.method === 'POST')
    return placeOrder(request).then((order) => response.end(JSON.stringify(order)));
  response.statusCode = 404;
  response.end();
}).listen(port);
