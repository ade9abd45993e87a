// The charts of the dashboard: lines, bars, what stands around them, and the SVG renderer (sharp in print, no canvas).
import * as core from "echarts/core";
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendPlainComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

core.use([BarChart, LineChart, GridComponent, LegendPlainComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent, SVGRenderer]);

export const { init, version } = core;
