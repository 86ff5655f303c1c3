/** Champion beside challenger, coverage by volatility, the gate's decision, versions and rollovers. */

import type { Evaluation, RoleScores } from "../data/evaluation";
import { number, percent, signedPercent } from "../rules/format";
import { sentence, Table, Time } from "../ui/parts";

const TERCILES: [string, string][] = [["calm", "Low"], ["middle", "Mid"], ["wild", "High"]];
const SCORES: [string, (scores: RoleScores) => string][] = [
  ["Forecasts", (of) => number(of.origins, 0)],
  ["of which live", (of) => number(of.live, 0)],
  ["Skill", (of) => signedPercent(of.skill, 1)],
  ["Pinball loss", (of) => percent(of.pinball, 3)],
  ["Coverage of 80%", (of) => percent(of.coverage_80)],
  ["Coverage of 90%", (of) => percent(of.coverage_90)],
  ["Width of 80%", (of) => percent(of.sharpness, 2)],
  ["Error of the median", (of) => percent(of.mae, 2)],
];
const BY: Record<string, string> = { succession: "monthly rollover", update: "first champion", gate: "promotion gate" };

export function QualityTables({ evaluation }: { evaluation: Evaluation }) {
  return (
    <>
      <Volatility evaluation={evaluation} />
      <Gate evaluation={evaluation} />
      <Versions evaluation={evaluation} />
    </>
  );
}

function rolesIn(evaluation: Evaluation): [string, RoleScores][] {
  const both: [string, RoleScores | null][] = [["Champion", evaluation.champion], ["Challenger", evaluation.challenger]];
  return both.filter((each): each is [string, RoleScores] => each[1] !== null);
}

export function RoleScoresTable({ evaluation }: { evaluation: Evaluation }) {
  const roles = rolesIn(evaluation);
  const { drift } = evaluation;
  return (
    <section class="plot-card">
      <h2>Champion and challenger</h2>
      <p class="muted">Means over the forecasts of each role.</p>
      {roles.length === 0 ? <p>No forecast has matured yet; each takes 24 candles.</p> : (
        <Table caption="Scores by role" hideCaption class="numbers narrow" head={["Score", ...roles.map(([name]) => name)]}>
          {SCORES.map(([name, text]) => (
            <tr key={name}><th scope="row">{name}</th>{roles.map(([role, scores]) => <td key={role}>{text(scores)}</td>)}</tr>
          ))}
        </Table>
      )}
      {drift && (
        <p>
          Drift of the champion: {drift.state}{drift.since && <> since <Time of={drift.since} /> UTC</>}.{" "}
          {drift.reasons?.map(sentence).join(" ")}
        </p>
      )}
    </section>
  );
}

function Volatility({ evaluation }: { evaluation: Evaluation }) {
  const roles = rolesIn(evaluation).filter(([, scores]) => scores.coverage_by_volatility);
  if (roles.length === 0) return null;
  return (
    <section>
      <h2>Coverage by volatility</h2>
      <p class="muted">Thirds of the forecasts by the volatility that was known when they were made.</p>
      <Table caption="Coverage by volatility tercile" hideCaption class="numbers narrow" head={["Volatility", ...roles.flatMap(([name]) => [`${name}, 80%`, `${name}, 90%`])]}>
        {TERCILES.map(([key, name]) => (
          <tr key={key}>
            <th scope="row">{name}</th>
            {roles.map(([role, scores]) => {
              const held = scores.coverage_by_volatility?.[key];
              return <><td key={`${role} 80`}>{percent(held?.coverage_80)}</td><td key={`${role} 90`}>{percent(held?.coverage_90)}</td></>;
            })}
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Gate({ evaluation: { promotion } }: { evaluation: Evaluation }) {
  if (!promotion) return null;
  return (
    <section>
      <h2>Test of the challenger</h2>
      <p>Version {promotion.challenger}: the gate’s decision is “{promotion.decision}”.</p>
      {promotion.criteria && (
        <Table caption="Criteria of the promotion gate" hideCaption head={["Criterion", "Passed", "Finding"]}>
          {promotion.criteria.map((each) => (
            <tr key={each.name}><th scope="row">{each.name}</th><td>{each.passed ? "yes" : "no"}</td><td>{each.finding}</td></tr>
          ))}
        </Table>
      )}
    </section>
  );
}

function Versions({ evaluation }: { evaluation: Evaluation }) {
  const made = Object.entries(evaluation.champion?.versions ?? {});
  const changes = [...(evaluation.roles ?? [])].reverse();
  return (
    <section>
      <h2>Model versions and rollovers</h2>
      {made.length > 0 && <p>Scored champion forecasts by version: {made.map(([name, count]) => `${name} (${count})`).join(", ")}.</p>}
      {changes.length > 0 && (
        <Table caption="Changes of champion and challenger, newest first" hideCaption head={["Since (UTC)", "Role", "Version", "By", "Reason"]}>
          {changes.map((each, at) => (
            <tr key={at}>
              <th scope="row"><Time of={each.since} /></th>
              <td>{each.role}</td>
              <td>{each.version ?? "none"}</td>
              <td>{BY[each.by] ?? each.by}</td>
              <td>{sentence(each.reason)}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
