/** Reliability, coverage and loss of one series, each plot with its numbers as a table. */

import type { ComponentChildren } from "preact";
import { domainOf } from "../charts/axis";
import { LineChart, TONES, type Line, type Rule } from "../charts/line_chart";
import type { Evaluation } from "../data/evaluation";
import { number, percent, utc } from "../rules/format";
import { byStep, coverage80, lossRatio, overTime, reliability, rollovers, type Points } from "../rules/plots";
import { Table } from "../ui/parts";

const STEP_TICKS = [1, 6, 12, 18, 24];
const SHARE_TICKS = [0, 0.25, 0.5, 0.75, 1];
const NAIVE: Rule = { y: 1, name: "naive forecast" };
const NOMINAL: Rule = { y: 0.8, name: "should be 80%" };
const ratioText = (value: number) => number(value, 2);
const shareText = (value: number) => percent(value, 0);
const dayText = (value: number) => utc(value).slice(0, 10);

/** @param children stand beside the reliability plot */
export function QualityPlots({ evaluation, children }: { evaluation: Evaluation; children: ComponentChildren }) {
  const marks = rollovers(evaluation);
  const reliable = reliability(evaluation);
  return (
    <div class="plots">
      <Plot title="Reliability" note="Share of closes at or below each quantile. On the diagonal the quantiles hold what they say." points={reliable}>
        <LineChart label="Reliability: observed against nominal shares" lines={linesOf(reliable)} x={[0, 1]} y={[0, 1]}
          xText={shareText} yText={shareText} xTicks={SHARE_TICKS} yTicks={SHARE_TICKS} diagonal dots square />
        <Numbers caption="Observed share by quantile" first="Quantile" points={reliable} xText={(x) => percent(x, 0)} yText={(y) => percent(y)} />
      </Plot>
      {children}
      <Timed title="Loss beside naive, over time" note="Below 1 the model is better than the naive forecast." points={overTime(evaluation, lossRatio)} rule={NAIVE} yText={ratioText} marks={marks} />
      <Timed title="Coverage of the 80% range, over time" note="Share of closes inside the range." points={overTime(evaluation, coverage80)} rule={NOMINAL} yText={shareText} marks={marks} />
      <Stepped title="Loss beside naive, by step" note="Step 1 is the first candle ahead, step 24 the last." points={byStep(evaluation, lossRatio)} rule={NAIVE} yText={ratioText} />
      <Stepped title="Coverage of the 80% range, by step" note="Share of closes inside the range, by candles ahead." points={byStep(evaluation, coverage80)} rule={NOMINAL} yText={shareText} />
    </div>
  );
}

interface PartProps {
  title: string;
  note: string;
  points: Points[];
  rule: Rule;
  yText: (value: number) => string;
}

function Timed({ marks, ...part }: PartProps & { marks: { x: number; name: string }[] }) {
  const times = part.points.flatMap((each) => each.points.map(({ x }) => x));
  const x = [Math.min(...times), Math.max(...times)] as const;
  return (
    <Plot {...part}>
      <LineChart label={part.title} lines={linesOf(part.points)} x={x} y={domain(part)} xText={dayText} yText={part.yText} xTicks={thirds(x)} rule={part.rule} marks={marks} dots={times.length < 12} />
      <Numbers caption={part.title} first="Around (UTC)" points={part.points} xText={utc} yText={part.yText} />
    </Plot>
  );
}

function Stepped(part: PartProps) {
  return (
    <Plot {...part}>
      <LineChart label={part.title} lines={linesOf(part.points)} x={[1, 24]} y={domain(part)} xText={String} yText={part.yText} xTicks={STEP_TICKS} rule={part.rule} />
      <Numbers caption={part.title} first="Step" points={part.points} xText={String} yText={part.yText} />
    </Plot>
  );
}

function Plot({ title, note, points, children }: { title: string; note: string; points: Points[]; children: ComponentChildren }) {
  return (
    <section class="plot-card">
      <h2>{title}</h2>
      <p class="muted">{note}</p>
      {points.length > 0 ? children : <p>Not published yet.</p>}
    </section>
  );
}

interface NumbersProps {
  caption: string;
  first: string;
  points: Points[];
  xText: (value: number) => string;
  yText: (value: number) => string;
}

function Numbers({ caption, first, points, xText, yText }: NumbersProps) {
  const xs = points[0]?.points.map(({ x }) => x) ?? [];
  return (
    <details>
      <summary>Numbers<span class="visually-hidden">: {caption}</span></summary>
      <Table caption={caption} hideCaption class="numbers" head={[first, ...points.map((each) => each.name)]}>
        {xs.map((x, at) => (
          <tr key={x}>
            <th scope="row">{xText(x)}</th>
            {points.map(({ role, points: of }) => <td key={role}>{of[at]?.y == null ? "–" : yText(of[at].y)}</td>)}
          </tr>
        ))}
      </Table>
    </details>
  );
}

function linesOf(points: Points[]): Line[] {
  return points.map(({ role, name, points: of }) => ({ name, tone: TONES.includes(role) ? role : "challenger", points: of }));
}

function domain({ points, rule }: PartProps): [number, number] {
  return domainOf([rule.y, ...points.flatMap((each) => each.points.map(({ y }) => y))]) ?? [0, 1];
}

function thirds([low, high]: readonly [number, number]): number[] {
  return low === high ? [low] : [low, low + (high - low) / 2, high];
}
