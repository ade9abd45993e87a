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
  const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 2 });
  // As in the tables: one decimal below 1,000 hours, rounded once.
  const hours = (seconds) => (seconds < 3_600_000 ? tenths.format(Math.round(seconds / 360) / 10) : whole.format(Math.round(seconds / 3600)));
  const percent = (n) => (n > 0 && n < 0.05 ? "< 0.1 %" : n >= 99.95 && n < 100 ? "> 99.9 %" : `${tenths.format(n)} %`);
  const family = getComputedStyle(document.body).fontFamily;

  const soft = { color: "var(--soft)", fontSize: 12 };
  const ink = { color: "var(--ink)", fontSize: 12 };
  const grid = (more) => ({ left: 0, right: 4, top: 10, bottom: 0, outerBoundsMode: "same", outerBoundsContain: "axisLabel", ...more });
  const steps = (labels, more) => ({
    type: "category", data: labels, axisTick: { show: false }, axisLine: { lineStyle: { color: "var(--line)" } }, axisLabel: soft, ...more,
  });
  const scale = (more) => ({
    type: "value", splitNumber: 4, axisLabel: { ...soft, formatter: (n) => short.format(n) }, splitLine: { lineStyle: { color: "var(--grid)" } }, ...more,
  });
  const hidden = (more) => ({ type: "value", show: false, ...more });
  const bar = (more) => ({ type: "bar", emphasis: { disabled: true }, itemStyle: { borderRadius: 2 }, ...more });
  const line = (more) => ({ type: "line", symbol: "circle", symbolSize: 5, showSymbol: false, emphasis: { disabled: true }, ...more });

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
      series: [["of customers", "userShare", "var(--accent)"], ["of hours", "hoursShare", "var(--second)"]].map(([name, key, color]) => bar({
        name, data: month.categories.map((c) => c[key]), barWidth: "32%", barGap: "12%", itemStyle: { color, borderRadius: 2 },
        label: { show: true, position: "right", ...ink, fontSize: 11, formatter: (p) => percent(p.value) },
      })),
    }),
    daily: (month) => ({
      grid: grid({ top: 34 }),
      legend: { ...legend, data: [{ name: "customers" }, { name: "average of 7 days" }] },
      xAxis: steps(month.days.map(dayLabel), { axisLabel: { ...soft, interval: "auto" } }),
      yAxis: [scale({ scale: true }), hidden({ min: 0, max: 1 })],
      tooltip: tooltip((i) => [
        month.days[i],
        month.users[i] === null ? "no data" : `${whole.format(month.users[i])} customers`,
        ...(month.average[i] === null ? [] : [`${whole.format(month.average[i])} on average over 7 days`]),
      ], pointer),
      series: [
        ...shading(month, { yAxisIndex: 1 }),
        line({ name: "customers", data: month.users, showSymbol: true, color: "var(--accent)", lineStyle: { color: "var(--accent)", width: 2 }, itemStyle: { color: "var(--accent)" } }),
        line({ name: "average of 7 days", data: month.average, color: "var(--second)", lineStyle: { color: "var(--second)", width: 2, type: "dashed" }, itemStyle: { color: "var(--second)" } }),
      ],
    }),
    "daily-hours": (month) => {
      const top = (i) => 26 + i * 114;
      return {
        grid: names.map((_, i) => grid({ left: 50, top: top(i), height: 72, outerBoundsMode: "none" })),
        axisPointer: { link: [{ xAxisIndex: "all" }] },
        xAxis: names.map((_, i) => steps(month.days.map(dayLabel), { gridIndex: i, axisLabel: { ...soft, show: i === 4 } })),
        yAxis: [
          ...names.map((name, i) => scale({
            gridIndex: i, scale: true, splitNumber: 2, name, nameLocation: "end", nameGap: 13,
            nameTextStyle: { ...ink, align: "left", padding: [0, 0, 0, -50], fontWeight: 600 },
          })),
          ...names.map((_, i) => hidden({ gridIndex: i, min: 0, max: 1 })),
        ],
        tooltip: tooltip((i) => [month.days[i], ...names.map((name, k) => (month.seconds[k][i] === null ? `${name}: no data` : `${name}: ${hours(month.seconds[k][i])} hours`))], pointer),
        series: names.flatMap((name, i) => [
          ...shading(month, { xAxisIndex: i, yAxisIndex: 5 + i }),
          line({ name, data: month.seconds[i].map((s) => (s === null ? null : s / 3600)), xAxisIndex: i, yAxisIndex: i, lineStyle: { color: colors[i], width: 2 }, itemStyle: { color: colors[i] } }),
        ]),
      };
    },
    active: (month) => ({
      grid: grid({ top: 34 }),
      legend: { ...legend, data: [{ name: "customers" }, { name: "at least so many days" }] },
      xAxis: steps(month.active.map((_, i) => String(i + 1))),
      yAxis: [scale(), scale({ min: 0, max: 100, interval: 25, splitLine: { show: false }, axisLabel: { ...soft, formatter: (n) => `${n} %` } })],
      tooltip: tooltip((i) => [
        `${i + 1} active ${i ? "days" : "day"}`, `${whole.format(month.active[i])} customers`, `${percent(month.atLeast[i])} with at least so many`,
      ]),
      series: [
        bar({ name: "customers", data: month.active, color: "var(--accent)", barWidth: "74%", itemStyle: { color: "var(--accent)", borderRadius: 2 } }),
        line({ name: "at least so many days", data: month.atLeast, yAxisIndex: 1, color: "var(--Sport)", lineStyle: { color: "var(--Sport)", width: 2 }, itemStyle: { color: "var(--Sport)" } }),
      ],
    }),
    bands: (month) => ({
      grid: grid({ top: 62, right: 30 }),
      xAxis: steps(month.bands.map((b) => b[0])),
      yAxis: scale(),
      tooltip: tooltip((i) => [month.bands[i][1], `${whole.format(month.bands[i][2])} customers`]),
      series: [bar({
        data: month.bands.map((b) => b[2]), barWidth: "86%", barMaxWidth: 60, itemStyle: { color: "var(--accent)", borderRadius: 2 },
        markLine: {
          silent: true, symbol: "none", lineStyle: { color: "var(--ink)", type: "dashed", width: 1 },
          data: month.marks.map(([band, text], k) => ({
            xAxis: band, label: { formatter: text.replace(/[{}]/g, ""), ...ink, align: band > month.bands.length / 2 ? "right" : "left", position: "end", distance: [0, 36 - 16 * k] },
          })),
        },
      })],
    }),
    heaviest: (month) => {
      // A few customers can dwarf the others (shared accounts): their bars are cut, so that the others can be seen.
      const all = month.top.map((c) => c[1]);
      const middle = [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
      const most = Math.max(1, ...all.filter((value) => value <= 4 * middle));
      const cut = all.map((value) => value > most);
      const length = all.map((value, i) => (cut[i] ? most * 1.15 : value));
      return {
        grid: grid({ top: 0, right: 0 }),
        xAxis: hidden({ max: (cut[0] ? most * 1.15 : most) * 1.8 }),
        yAxis: steps(month.top.map((c) => c[0]), { inverse: true, axisLine: { show: false }, axisLabel: { ...ink, width: 130, overflow: "truncate" } }),
        tooltip: tooltip((i) => [month.top[i][0], `${hours(month.top[i][1])} hours`, month.top[i][2]]),
        series: [bar({
          data: length, barWidth: "62%", barMaxWidth: 34, itemStyle: { color: "var(--accent)", borderRadius: 2 },
          label: { show: true, position: "right", ...ink, width: 210, overflow: "truncate", formatter: (p) => `${cut[p.dataIndex] ? "\u226b " : ""}${hours(all[p.dataIndex])} h  ${month.top[p.dataIndex][2]}` },
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
  const resize = (chart, size) => {
    chart.resize(size);
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
        chart.setOption({ animation: false, backgroundColor: "transparent", textStyle: { fontFamily: family }, ...options[element.dataset.chart](months[article.dataset.month]) });
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
    for (const [element, chart] of drawn) if (element.offsetParent) resize(chart, { width: 690 });
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
