// Draws the charts over the tables. Colours are CSS variables, so that light, dark and paper need no second drawing;
// text goes into the page as text only.
"use strict";
(() => {
  const months = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const names = ["TV", "Movie", "Child", "Relax", "Sport"];
  const colors = ["Tv", "Movie", "Child", "Relax", "Sport"].map((name) => `var(--${name})`);
  const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const tenths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  // As in the tables: one decimal below 1,000 hours, rounded once.
  const hours = (seconds) => (seconds > 0 && seconds < 180 ? "<\u00a00.1" : seconds < 3_600_000 ? tenths.format(Math.round(seconds / 360) / 10) : whole.format(Math.round(seconds / 3600)));
  const percent = (n) => (n > 0 && n < 0.05 ? "< 0.1 %" : n >= 99.95 && n < 100 ? "> 99.9 %" : `${tenths.format(n)} %`);
  const family = getComputedStyle(document.body).fontFamily;

  const soft = { color: "var(--soft)", fontSize: 12 };
  const ink = { color: "var(--ink)", fontSize: 12 };
  const grid = (more) => ({ left: 0, right: 4, top: 10, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel", ...more });
  const steps = (labels, more) => ({
    type: "category", data: labels, axisTick: { show: false }, axisLine: { lineStyle: { color: "var(--line)" } }, axisLabel: soft, ...more,
  });
  const value = (more) => ({ type: "value", axisLabel: soft, splitLine: { lineStyle: { color: "var(--grid)" } }, ...more });
  // The least of `numbers`, times a power of ten, that is not below `least`.
  const round = (least, numbers) => {
    const power = 10 ** Math.floor(Math.log10(least));
    return numbers.find((n) => n * power >= least * 0.999999) * power;
  };
  // One unit and as many decimals as the steps need for all labels of an axis: never the same label twice.
  const labels = (largest, step) => {
    const [unit, letter] = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e4, "K"]].find(([from]) => largest >= from) ?? [1, ""];
    const size = unit === 1e4 ? 1e3 : unit;
    const decimals = [0, 1, 2].find((n) => Math.abs((step / size) * 10 ** n - Math.round((step / size) * 10 ** n)) < 1e-6) ?? 3;
    const format = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    return { ...soft, formatter: (n) => format.format(n / size) + letter };
  };
  // From zero in four steps, for bars of counts.
  const counts = (values) => {
    // Four customers at least, so that a step is at least one of them.
    const step = Math.ceil(round(Math.max(4, ...values) / 4, [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]));
    return value({ min: 0, max: 4 * step, interval: step, axisLabel: labels(4 * step, step) });
  };
  // Around the values, for lines; over at least a twentieth of the largest one, so that small changes look small.
  const around = (values, steps, more) => {
    const present = values.filter((n) => n !== null);
    const most = Math.max(...present), least = Math.min(...present);
    const largest = Math.max(Math.abs(most), Math.abs(least)) || 1;
    const step = round(Math.max(most - least, largest / 20) / steps, [1, 2, 2.5, 5, 10]);
    const [min, max] = [Math.floor(least / step) * step, Math.ceil(most / step) * step];
    return value({ min, max: max > min ? max : min + step, interval: step, axisLabel: labels(largest, step), ...more });
  };
  const hidden = (more) => ({ type: "value", show: false, ...more });
  // A colour thinned to some percent of it, with its border whole.
  const tint = (color, part) => ({ color: `color-mix(in srgb, ${color} ${part}%, var(--card))`, borderColor: color, borderWidth: 1, borderRadius: 2 });
  const bar = (more) => ({ type: "bar", emphasis: { disabled: true }, itemStyle: { borderRadius: 2 }, ...more });
  // A day between two without data has no line on either side: it is a dot.
  const dots = (values) => values.map((n, i) =>
    (n !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null ? { value: n, symbol: "circle", symbolSize: 6 } : n));
  const line = ({ data, ...more }) => ({ type: "line", symbol: "none", showSymbol: true, emphasis: { disabled: true }, data: dots(data), ...more });

  // A tooltip as elements: a heading and lines of text.
  const tooltip = (lines, more) => ({
    trigger: "axis", confine: true, transitionDuration: 0, backgroundColor: "var(--card)", borderColor: "var(--line)", padding: [6, 10],
    axisPointer: { type: "shadow", shadowStyle: { color: "var(--soft)", opacity: 0.12 } },
    formatter: (params) => {
      const box = document.createElement("div");
      box.className = "tip";
      const [heading, ...rest] = lines(params[0].dataIndex, params);
      box.appendChild(document.createElement("b")).textContent = heading;
      for (const text of rest) box.appendChild(document.createElement("div")).textContent = text;
      return box;
    },
    ...more,
  });
  const pointer = { axisPointer: { type: "line", lineStyle: { color: "var(--soft)" } } };
  const legend = { top: 0, left: 0, itemWidth: 12, itemHeight: 12, icon: "roundRect", textStyle: soft, selectedMode: false };

  // Full-height columns behind a chart of days: weekends, and days without data.
  const shading = (month, axis) => [
    bar({ data: month.weekend.map((is) => (is ? 1 : 0)), barWidth: "100%", barGap: "-100%", itemStyle: { color: "var(--band)" }, silent: true, z: 0, ...axis }),
    bar({
      data: month.users.map((users) => (users === null ? 1 : 0)), barWidth: "100%", itemStyle: { color: "var(--warn)", opacity: 0.14 }, silent: true, z: 0,
      ...axis,
    }),
  ];
  const dayLabel = (label) => label.split(" ")[1];
  // The same left edge for all charts of days: a day stands below itself.
  const days = (more) => grid({ left: 50, outerBoundsMode: "none", ...more });

  const hoursOf = (month, i) => month.seconds[i].map((seconds) => (seconds === null ? null : seconds / 3600));

  // Each makes the options of a chart from its month and the width it has.
  const options = {
    reach: (month) => ({
      grid: grid({ right: 84, top: 4 }),
      xAxis: hidden(),
      yAxis: steps(names, { inverse: true, axisLabel: ink, axisLine: { show: false } }),
      tooltip: tooltip((i) => [names[i], `${whole.format(month.categories[i].users)} customers`, `${percent(month.categories[i].userShare)} of all`]),
      series: [bar({
        data: month.categories.map((c, i) => ({ value: c.users, itemStyle: { color: colors[i] } })), barWidth: "62%", barMaxWidth: 34,
        label: { show: true, position: "right", ...ink, formatter: (p) => whole.format(p.value) },
      })],
    }),
    shares: (month) => ({
      grid: grid({ right: 60, top: 28 }),
      legend,
      xAxis: hidden({ max: 100 }),
      yAxis: steps(names, { inverse: true, axisLabel: ink, axisLine: { show: false } }),
      tooltip: tooltip((i) => [names[i], `${percent(month.categories[i].userShare)} of customers`, `${percent(month.categories[i].hoursShare)} of hours`]),
      series: [["of customers", "userShare", 100], ["of hours", "hoursShare", 35]].map(([name, key, part]) => bar({
        name, data: month.categories.map((c, i) => ({ value: c[key], itemStyle: tint(colors[i], part) })), barWidth: "32%", barGap: "12%", itemStyle: tint("var(--bar)", part),
        label: { show: true, position: "right", ...ink, fontSize: 11, formatter: (p) => percent(p.value) },
      })),
    }),
    daily: (month) => ({
      grid: days({ top: 34, bottom: 24 }),
      legend: { ...legend, data: [{ name: "customers" }, { name: "average of 7 days" }] },
      xAxis: steps(month.days.map(dayLabel), { axisLabel: { ...soft, interval: "auto" } }),
      yAxis: [around(month.users, 4), hidden({ min: 0, max: 1 })],
      tooltip: tooltip((i) => [
        month.days[i],
        month.users[i] === null ? "no data" : `${whole.format(month.users[i])} customers`,
        ...(month.average[i] === null ? [] : [`${whole.format(month.average[i])} on average over 7 days`]),
      ], pointer),
      series: [
        ...shading(month, { yAxisIndex: 1 }),
        line({ name: "customers", data: month.users, symbol: "circle", symbolSize: 5, color: "var(--bar)", lineStyle: { color: "var(--bar)", width: 2 }, itemStyle: { color: "var(--bar)" } }),
        line({ name: "average of 7 days", data: month.average, color: "var(--ink)", lineStyle: { color: "var(--ink)", width: 2, type: "dashed" }, itemStyle: { color: "var(--ink)" } }),
      ],
    }),
    "daily-hours": (month) => {
      const top = (i) => 26 + i * 114;
      return {
        grid: names.map((_, i) => days({ top: top(i), height: 72 })),
        axisPointer: { link: [{ xAxisIndex: "all" }] },
        xAxis: names.map((_, i) => steps(month.days.map(dayLabel), { gridIndex: i, axisLabel: { ...soft, show: i === 4 } })),
        yAxis: [
          ...names.map((name, i) => around(hoursOf(month, i), 2, {
            gridIndex: i, name, nameLocation: "end", nameGap: 13,
            nameTextStyle: { ...ink, align: "left", padding: [0, 0, 0, -50], fontWeight: 600 },
          })),
          ...names.map((_, i) => hidden({ gridIndex: i, min: 0, max: 1 })),
        ],
        tooltip: tooltip((i) => [month.days[i], ...names.map((name, k) => (month.seconds[k][i] === null ? `${name}: no data` : `${name}: ${hours(month.seconds[k][i])} hours`))], pointer),
        series: names.flatMap((name, i) => [
          ...shading(month, { xAxisIndex: i, yAxisIndex: 5 + i }),
          line({ name, data: hoursOf(month, i), xAxisIndex: i, yAxisIndex: i, lineStyle: { color: colors[i], width: 2 }, itemStyle: { color: colors[i] } }),
        ]),
      };
    },
    active: (month) => ({
      grid: grid({ top: 34 }),
      legend: { ...legend, data: [{ name: "customers" }, { name: "at least this many days" }] },
      xAxis: steps(month.active.map((_, i) => String(i + 1)), { axisLabel: { ...soft, interval: (i) => i === 0 || i % 5 === 4 } }),
      yAxis: [counts(month.active), value({ min: 0, max: 100, interval: 25, splitLine: { show: false }, axisLabel: { ...soft, formatter: (n) => `${n} %` } })],
      tooltip: tooltip((i) => [
        `${i + 1} active ${i ? "days" : "day"}`, `${whole.format(month.active[i])} customers`, `${percent(month.atLeast[i])} with at least this many`,
      ]),
      series: [
        bar({ name: "customers", data: month.active, color: "var(--bar)", barWidth: "74%", itemStyle: { color: "var(--bar)", borderRadius: 2 } }),
        line({ name: "at least this many days", data: month.atLeast, yAxisIndex: 1, color: "var(--ink)", lineStyle: { color: "var(--ink)", width: 2 }, itemStyle: { color: "var(--ink)" } }),
      ],
    }),
    bands: (month) => {
      // A label stands beside the top of its line, on the side where no higher line passes.
      const right = month.marks.length > 0 && month.marks[0][0] > month.bands.length * 0.3;
      const height = (k) => 18 + 16 * (right ? month.marks.length - 1 - k : k);
      const axis = counts(month.bands.map((b) => b[2]));
      return {
        grid: grid({ top: 62, right: 20 }),
        xAxis: steps(month.bands.map((b) => b[0])),
        yAxis: axis,
        tooltip: tooltip((i) => [month.bands[i][1], `${whole.format(month.bands[i][2])} customers`]),
        series: [bar({
          data: month.bands.map((b) => b[2]), barWidth: "86%", barMaxWidth: 60, itemStyle: { color: "var(--bar)", borderRadius: 2 },
          markLine: {
            silent: true, symbol: "none", lineStyle: { color: "var(--ink)", type: "dashed", width: 1 },
            data: month.marks.map(([band, text], k) => [
              { coord: [band, 0] },
              {
                coord: [band, axis.max], y: height(k),
                label: { show: true, formatter: text.replace(/[{}]/g, ""), ...ink, align: right ? "right" : "left", padding: [0, 4], verticalAlign: "top", position: "end", distance: [0, -2] },
              },
            ]),
          },
        })],
      };
    },
    heaviest: (month, width) => {
      // A few customers can dwarf the others (shared accounts): their bars are cut, so that the others can be seen.
      const cut = month.top.map((c) => c[1] > month.uncut);
      const most = Math.max(1, month.uncut);
      const narrow = width < 480;
      const text = (i) => `${cut[i] ? "\u226b " : ""}${hours(month.top[i][1])} h${narrow ? "\n" : "  "}${month.top[i][2]}`;
      const longest = Math.max(...month.top.flatMap((_, i) => text(i).split("\n").map((line) => line.length)));
      const room = Math.min(longest * 7 + 8, width * 0.55);
      return {
        grid: grid({ top: 0, right: room }),
        xAxis: hidden({ max: cut[0] ? most * 1.15 : most }),
        yAxis: steps(month.top.map((c) => c[0]), { inverse: true, axisLine: { show: false }, axisLabel: { ...ink, width: narrow ? 84 : 130, overflow: "truncate" } }),
        tooltip: tooltip((i) => [month.top[i][0], `${hours(month.top[i][1])} hours`, month.top[i][2]]),
        series: [bar({
          data: month.top.map((c, i) => (cut[i] ? most * 1.15 : c[1])), barWidth: "62%", barMaxWidth: 34, itemStyle: { color: "var(--bar)", borderRadius: 2 },
          label: { show: true, position: "right", ...ink, lineHeight: 14, width: room - 8, overflow: "truncate", formatter: (p) => text(p.dataIndex) },
        })],
      };
    },
  };

  const drawn = new Map();
  let printing = false;
  const width = (element) => element.clientWidth;
  const settle = (chart) => {
    // Lets paper and zoom scale the picture: the renderer itself sets a size only.
    const svg = chart.getDom().querySelector("svg");
    svg.setAttribute("viewBox", `0 0 ${chart.getWidth()} ${chart.getHeight()}`);
    svg.setAttribute("aria-hidden", "true");
  };
  const option = (element, width) =>
    ({ animation: false, backgroundColor: "transparent", textStyle: { fontFamily: family }, ...options[element.dataset.chart](months[element.closest("article").dataset.month], width) });
  const resize = (chart, size) => {
    chart.resize(size);
    chart.setOption(option(chart.getDom(), chart.getWidth()), true);
    // Paper does not wait for the next frame.
    chart.getZr().refreshImmediately();
    settle(chart);
  };
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const chart = drawn.get(target);
      if (chart && width(target) && chart.getWidth() !== width(target) && !printing) resize(chart);
    }
  });

  const draw = () => {
    for (const article of document.querySelectorAll("article[data-month]")) {
      if (!article.offsetParent) continue;
      for (const element of article.querySelectorAll("[data-chart]")) {
        if (drawn.has(element)) continue;
        const chart = echarts.init(element, null, { renderer: "svg" });
        chart.setOption(option(element, chart.getWidth()));
        drawn.set(element, chart);
        settle(chart);
        sizes.observe(element);
      }
      for (const link of document.querySelectorAll("header.top nav a")) {
        if (link.hash === `#${article.id}`) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    }
  };

  root.classList.add("drawn");
  try {
    draw();
  } catch (error) {
    // The tables hold everything; empty frames would only take room.
    root.classList.remove("drawn");
    throw error;
  }
  addEventListener("hashchange", draw);
  addEventListener("beforeprint", () => {
    printing = true;
    // Two columns on paper, at the scale of the style sheet.
    for (const [element, chart] of drawn) if (element.offsetParent) resize(chart, { width: element.closest(".half, .pair") ? 370 : 780 });
  });
  addEventListener("afterprint", () => {
    printing = false;
    for (const [element, chart] of drawn) if (element.offsetParent) resize(chart, { width: "auto" });
  });

  const button = document.getElementById("theme");
  if (button) {
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
    const name = () => { button.textContent = dark() ? "Light colours" : "Dark colours"; };
    button.hidden = false;
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
    name();
  }
  root.dataset.ready = "";
})();
