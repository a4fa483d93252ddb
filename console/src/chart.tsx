/* Lines and bars over time, drawn by uPlot in the colours of the page. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const year = new Intl.DateTimeFormat("en-GB", { year: "numeric" });
const month = new Intl.DateTimeFormat("en-GB", { month: "short" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const second = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** A mark of the time axis, as fine as the *step* in seconds between two of them. */
function moment(at: number, step: number, first: boolean): string {
  const when = new Date(at * 1000);
  if (step >= 28 * 86_400) return when.getMonth() === 0 ? year.format(when) : month.format(when);
  if (step >= 86_400) return day.format(when);
  if (first || (when.getHours() === 0 && when.getMinutes() === 0)) return day.format(when);
  return step < 60 ? second.format(when) : minute.format(when);
}

/* Seconds that a chart over time shows at least. */
const LEAST = 30;

export function Chart({
  label,
  x,
  y,
  kind = "line",
  height = 160,
  format,
  timed = true,
}: {
  label: string;
  x: number[];
  y: (number | null)[];
  kind?: "line" | "step" | "bars";
  height?: number;
  format: (value: number) => string;
  timed?: boolean;
}) {
  const box = useRef<HTMLDivElement>(null);
  const key = `${x.length}:${x.at(-1) ?? 0}:${y.at(-1) ?? 0}:${y[0] ?? 0}`;
  useEffect(() => {
    const one = box.current;
    if (!one) return;
    let plot: uPlot | undefined;
    const draw = () => {
      plot?.destroy();
      const style = getComputedStyle(document.documentElement);
      // A colour is one for light and one for dark until something has it.
      const colour = (name: string) => {
        one.style.color = `var(--${name})`;
        return getComputedStyle(one).color;
      };
      const axis = {
        stroke: colour("muted"),
        font: `11px ${style.getPropertyValue("--sans")}`,
        grid: { stroke: colour("line"), width: 1 },
        ticks: { show: false },
      };
      const { bars, stepped } = uPlot.paths;
      plot = new uPlot(
        {
          width: Math.max(one.clientWidth, 100),
          height,
          legend: { show: false },
          cursor: { y: false, points: { size: 6 } },
          // Seconds are the least that a label can tell apart.
          scales: { x: { time: timed, range: (_, from, to) => (timed ? [Math.min(from, to - LEAST), to] : [from, to]) } },
          axes: [
            { ...axis, grid: { show: false }, size: 26, values: (_, splits, __, ___, step) => splits.map((at, nth) => moment(at, step, nth === 0)) },
            { ...axis, size: 76, values: (_, splits) => splits.map((n) => format(n)) },
          ],
          series: [
            {},
            {
              label,
              stroke: colour("accent"),
              width: 1.75,
              fill: kind === "bars" ? colour("accent") : colour("accent-faint"),
              points: { show: kind === "line" && x.length < 3 },
              ...(kind === "bars" && bars ? { paths: bars({ size: [0.8, 24] }) } : {}),
              ...(kind === "step" && stepped ? { paths: stepped({ align: 1 }) } : {}),
            },
          ],
        },
        [x, y],
        one,
      );
    };
    draw();
    const sized = new ResizeObserver(() => plot?.setSize({ width: Math.max(one.clientWidth, 100), height }));
    sized.observe(one);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      sized.disconnect();
      themed.disconnect();
      dark.removeEventListener("change", draw);
      plot?.destroy();
    };
  }, [key, kind, label, height]);
  return <div class="chart" ref={box} role="img" aria-label={label} style={{ height: `${height}px` }} />;
}
