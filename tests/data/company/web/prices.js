fetch('/prices').then((r) => r.json()).then((rows) => {
  const table = document.querySelector('#prices');
  for (const { grain, price } of rows) table.insertRow().append(grain, ' ', price);
});
