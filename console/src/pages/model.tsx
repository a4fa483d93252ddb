/* The event model, drawn from what `leftfold event-model` reads from the code, with counts. */
import { useMemo, useState } from "preact/hooks";
import model from "../model.json";
import { get } from "../api";
import { count } from "../format";
import { useLoaded } from "../state";
import { Tabs, Title } from "../ui";

interface Box {
  id: string;
  name: string;
  kind: "command" | "event" | "view" | "policy";
  column: number;
  y: number;
}

const WIDE = 212;
const GAP = 118;
const HIGH = 30;
const STEP = 40;

export function Model() {
  const [context, setContext] = useState(model.contexts[0] ?? "");
  const tail = useLoaded((signal) => get("/log", {}, { last: 500, limit: 500, unreadable: "show" }, signal), [], 5_000);
  const counts = useMemo(() => {
    const counted = new Map<string, number>();
    for (const commit of tail.value?.items ?? []) {
      for (const event of commit.events) {
        const id = `${commit.category}/${event.name}`;
        counted.set(id, (counted.get(id) ?? 0) + 1);
      }
    }
    return counted;
  }, [tail.value]);
  return (
    <>
      <Title note="Which command may lead to which event, and which views and policies hear it: read from the code. The numbers are those of the last 500 commits.">
        Event model
      </Title>
      <Tabs of={model.contexts} at={context} to={setContext} label="Context" />
      <Diagram context={context} counts={counts} />
    </>
  );
}

function Diagram({ context, counts }: { context: string; counts: Map<string, number> }) {
  const { boxes, arrows, height } = useMemo(() => layout(context), [context]);
  const at = new Map(boxes.map((box) => [box.id, box]));
  const x = (column: number) => column * (WIDE + GAP);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`The event model of ${context}`}>
      <svg class="model" width={3 * WIDE + 2 * GAP + 2} height={height} role="img" aria-label={`Commands, events, and readers of ${context}`}>
        {["Commands", "Events", "Views and policies"].map((name, column) => (
          <text key={name} class="head" x={x(column) + 1} y={16}>{name}</text>
        ))}
        {arrows.map(({ from, to, dashed }) => {
          const a = at.get(from);
          const b = at.get(to);
          if (!a || !b) return null;
          const back = b.column < a.column;
          const x1 = x(a.column) + (back ? 0 : WIDE);
          const x2 = x(b.column) + (back ? WIDE : 0);
          const middle = (x1 + x2) / 2;
          const seen = counts.get(a.kind === "event" ? a.id : b.kind === "event" ? b.id : "") ?? 0;
          return (
            <path
              key={`${from} ${to}`}
              style={{ strokeWidth: seen ? `${1.2 + Math.log10(seen)}px` : undefined }}
              class={`arrow${dashed ? " dashed" : ""}${seen ? " seen" : ""}`}
              d={`M${x1} ${a.y + HIGH / 2} C ${middle} ${a.y + HIGH / 2} ${middle} ${b.y + HIGH / 2} ${x2} ${b.y + HIGH / 2}`}
            />
          );
        })}
        {boxes.map((box) => (
          <g key={box.id} class={`box ${box.kind}`}>
            <rect x={x(box.column) + 1} y={box.y} width={WIDE} height={HIGH} rx={6} />
            <text x={x(box.column) + 12} y={box.y + 20}>{box.name}</text>
            {box.kind === "event" && (counts.get(box.id) ?? 0) > 0 && (
              <text class="count" x={x(box.column) + WIDE - 10} y={box.y + 20} text-anchor="end">{count(counts.get(box.id) ?? 0)}</text>
            )}
          </g>
        ))}
      </svg>
    </div>
  );
}

/** Three columns, each in the order in which the column before it leads there. */
function layout(context: string) {
  const commands = model.commands.filter((one) => one.context === context);
  const own = new Set(commands.flatMap((one) => one.leads));
  const readers = [
    ...model.views.filter((one) => one.hears.some((event) => own.has(event)) || one.context === context),
    ...model.policies.filter((one) => one.hears.some((event) => own.has(event)) || one.context === context),
  ];
  const policies = new Set(model.policies.map((one) => one.name));
  const events = [...new Set([...commands.flatMap((one) => one.leads), ...readers.filter((one) => one.context === context).flatMap((one) => one.hears)])];
  const boxes: Box[] = [];
  const put = (id: string, name: string, kind: Box["kind"], column: number, nth: number) =>
    boxes.push({ id, name, kind, column, y: 30 + nth * STEP });
  commands.forEach((one, nth) => put(`command ${one.category} ${one.name}`, one.name, "command", 0, nth));
  events.forEach((event, nth) => put(event, event.slice(event.indexOf("/") + 1), "event", 1, nth));
  readers.forEach((one, nth) => put(`reader ${one.name}`, one.name, policies.has(one.name) ? "policy" : "view", 2, nth));
  const arrows = [
    ...commands.flatMap((one) => one.leads.map((event) => ({ from: `command ${one.category} ${one.name}`, to: event, dashed: false }))),
    ...readers.flatMap((one) => one.hears.filter((event) => events.includes(event)).map((event) => ({ from: event, to: `reader ${one.name}`, dashed: false }))),
    ...model.policies.flatMap((one) => one.sends.map((command) => ({ from: `reader ${one.name}`, to: `command ${command}`, dashed: true }))),
  ];
  return { boxes, arrows, height: 40 + STEP * Math.max(commands.length, events.length, readers.length) };
}
