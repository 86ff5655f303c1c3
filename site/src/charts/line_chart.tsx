/** Lines over numbers or times, drawn as SVG. The numbers stand in a table below it. */

import { useWidth } from "../ui/hooks";
import { scale, ticks, type Scale } from "./axis";

export interface Line {
  name: string;
  /** Class of the line, one of `TONES`; it sets colour and dashes. */
  tone: string;
  points: { x: number; y: number | null }[];
}

export interface Rule {
  y: number;
  name: string;
}

interface Props {
  label: string;
  lines: Line[];
  x: readonly [number, number];
  y: readonly [number, number];
  xText: (value: number) => string;
  yText: (value: number) => string;
  xTicks?: number[];
  yTicks?: number[];
  /** A horizontal line to compare with, or the diagonal. */
  rule?: Rule;
  diagonal?: boolean;
  /** Instants that are marked, such as a change of the model. */
  marks?: { x: number; name: string }[];
  dots?: boolean;
  square?: boolean;
}

/** Roles that have a look of their own. */
export const TONES = ["champion", "challenger", "challenger_naive", "challenger_har_exogenous"];
const MARGIN = { top: 10, right: 20, bottom: 26, left: 50 };

export function LineChart(props: Props) {
  const [ref, width] = useWidth<HTMLDivElement>();
  return (
    <div ref={ref} class={props.square ? "plot square" : "plot"}>
      {width > 0 && <Drawing {...props} width={width} height={props.square ? Math.min(width, 320) : 210} />}
      <Legend {...props} />
    </div>
  );
}

function Drawing({ width, height, ...props }: Props & { width: number; height: number }) {
  const x = scale(props.x, [MARGIN.left, width - MARGIN.right]);
  const y = scale(props.y, [height - MARGIN.bottom, MARGIN.top]);
  const xTicks = props.xTicks ?? ticks(props.x, Math.max(2, Math.floor(width / 110)));
  const yTicks = props.yTicks ?? ticks(props.y, 4);
  return (
    <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={props.label}>
      <g class="grid">
        {yTicks.map((value) => <line key={value} x1={MARGIN.left} x2={width - MARGIN.right} y1={y(value)} y2={y(value)} />)}
      </g>
      <g class="ticks">
        {yTicks.map((value) => <text key={value} x={MARGIN.left - 8} y={y(value) + 4} text-anchor="end">{props.yText(value)}</text>)}
        {xTicks.map((value) => <text key={value} x={x(value)} y={height - 8} text-anchor={props.square ? "middle" : anchor(x(value), width)}>{props.xText(value)}</text>)}
      </g>
      {props.rule && <line class="rule" x1={MARGIN.left} x2={width - MARGIN.right} y1={y(props.rule.y)} y2={y(props.rule.y)} />}
      {props.diagonal && <line class="rule" x1={x(props.x[0])} y1={y(props.x[0])} x2={x(props.x[1])} y2={y(props.x[1])} />}
      {props.marks?.map((mark) => (
        <line key={mark.x} class="mark" x1={x(mark.x)} x2={x(mark.x)} y1={MARGIN.top} y2={height - MARGIN.bottom}><title>{mark.name}</title></line>
      ))}
      {props.lines.map((line) => (
        <g key={line.name} class={`line ${line.tone}`}>
          <path d={pathOf(line, x, y)} />
          {props.dots && line.points.map((point) => point.y !== null && (
            <circle key={point.x} cx={x(point.x)} cy={y(point.y)} r={3}>
              <title>{`${line.name}: ${props.xText(point.x)}, ${props.yText(point.y)}`}</title>
            </circle>
          ))}
        </g>
      ))}
    </svg>
  );
}

/** The ends of the axis keep their labels inside the picture. */
function anchor(x: number, width: number): "start" | "middle" | "end" {
  if (x > width - 40) return "end";
  return x < MARGIN.left + 10 ? "start" : "middle";
}

/** A path that is interrupted where a value is missing. */
export function pathOf(line: Line, x: Scale, y: Scale): string {
  let isDown = false;
  const parts: string[] = [];
  for (const point of line.points) {
    if (point.y === null) isDown = false;
    else {
      parts.push(`${isDown ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`);
      isDown = true;
    }
  }
  return parts.join("");
}

function Legend({ lines, rule, diagonal, marks }: Props) {
  return (
    <ul class="legend">
      {lines.map((line) => <li key={line.name}><span class={`swatch ${line.tone}`} aria-hidden="true" />{line.name}</li>)}
      {rule && <li><span class="swatch dashed" aria-hidden="true" />{rule.name}</li>}
      {diagonal && <li><span class="swatch dashed" aria-hidden="true" />perfectly calibrated</li>}
      {marks && marks.length > 0 && <li><span class="swatch marked" aria-hidden="true" />new champion</li>}
    </ul>
  );
}
