"use strict";
(() => {
  const digits = (n) => {
    if (n === 0) return "0";
    const decimals = Math.min(12, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(n)))));
    return String(Number(n.toFixed(decimals)));
  };
  const largest = (units, n) => units.find(([size]) => n >= size) || units[units.length - 1];
  const scaled = (units) => (n) => {
    const [size, name] = largest(units, n);
    return digits(n / size) + " " + name;
  };
  const show = {
    number: digits,
    share: (n) => digits(n * 100) + " %",
    time: scaled([[1e9, "s"], [1e6, "ms"], [1e3, "us"], [1e-4, "ns"], [0, "s"]]),
    bytes: scaled([[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]]),
  };
  const charts = [...document.querySelectorAll("figure.chart")].map((figure) => ({
    field: figure.querySelector(".field"),
    cursor: figure.querySelector(".cursor"),
    at: figure.querySelector(".legend .at"),
    outputs: [...figure.querySelectorAll(".legend output")],
    values: JSON.parse(figure.dataset.values),
    names: figure.dataset.names.split("|"),
    show: show[figure.dataset.scale],
    shared: figure.hasAttribute("data-shared"),
    place: null,
  }));
  const put = (chart, place) => {
    chart.place = place;
    const count = chart.names.length;
    chart.cursor.hidden = place === null;
    chart.at.textContent = place === null ? "max" : chart.names[place];
    chart.outputs.forEach((output, line) => {
      const value = place === null ? undefined : chart.values[line][place];
      output.textContent =
        value === undefined ? output.dataset.most : value === null ? "-" : chart.show(value);
    });
    if (place !== null) {
      const left = chart.shared ? (place + 0.5) / count : place / Math.max(1, count - 1);
      chart.cursor.style.left = left * 100 + "%";
    }
  };
  const move = (from, place) => {
    charts.filter((chart) => chart === from || (from.shared && chart.shared))
      .forEach((chart) => put(chart, place));
  };
  for (const chart of charts) {
    const last = chart.names.length - 1;
    const clamp = (place) => Math.min(last, Math.max(0, place));
    chart.field.addEventListener("pointermove", (event) => {
      const room = chart.field.getBoundingClientRect();
      const share = (event.clientX - room.left) / room.width;
      move(chart, clamp(chart.shared ? Math.floor(share * (last + 1)) : Math.round(share * last)));
    });
    chart.field.addEventListener("pointerleave", () => move(chart, null));
    chart.field.addEventListener("blur", () => move(chart, null));
    chart.field.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      move(chart, clamp(chart.place === null ? 0 : chart.place + step));
    });
  }
})();
