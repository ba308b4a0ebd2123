'use strict';
// Orders live in shop.orders; a closed order is never changed again.
async function openOrders(db) {
  return db.collection('orders').find({ status: 'open' }).sort({ createdAt: 1 }).toArray();
}

async function placeOrder(db, order) {
  const placed = { ...order, status: 'open', createdAt: new Date() };
  await db.collection('orders').insertOne(placed);
  return placed;
}

module.exports = { openOrders, placeOrder };
