/** Champion beside challenger, coverage by volatility, the gate's decision, versions and rollovers. */

import type { Evaluation, RoleScores } from "../data/evaluation";
import { criterionTitle } from "../rules/criteria";
import { number, percent, signedPercent } from "../rules/format";
import { contenders, hasMethods, scored, stateInGate, type Contender } from "../rules/roles";
import { sentence, Table, Time } from "../ui/parts";

const DECISIONS: Record<string, string> = {
  keep: "the champion stays, and the challenger is tested further",
  promote: "the challenger becomes champion",
  retire: "the challenger’s trial is over without a promotion",
};
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
      {contenders(evaluation).map((each) => <Gate key={each.role} of={each} />)}
      <Versions evaluation={evaluation} />
    </>
  );
}

/** A row for each role, where several methods are trained. */
export function MethodsTable({ evaluation }: { evaluation: Evaluation }) {
  if (!hasMethods(evaluation)) return null;
  return (
    <section>
      <h2>Champion and challengers by method</h2>
      <p class="muted">
        The champion’s forecasts are published; challengers forecast the same origins and are only tested. The one with the lowest loss comes first. Loss beside the champion is of the origins that both forecast, the other numbers
        are of all forecasts of a role. Below 1 it loses less than what it is compared with.
      </p>
      <Table caption="Champion and challengers by method" hideCaption class="numbers" textColumns={[1, 7]}
        head={["Role", "Method", "Version", "Loss beside champion", "Loss beside naive", "Coverage of 80%", "Forecasts", "Promotion gate"]}>
        {contenders(evaluation).map((each) => (
          <tr key={each.role}>
            <th scope="row">{each.role === "champion" ? "Champion" : "Challenger"}</th>
            <td class="text">{each.method ?? "–"}</td>
            <td>{each.version ?? "–"}</td>
            <td>{ratioText(each.toChampion)}</td>
            <td>{ratioText(each.toNaive)}</td>
            <td>{percent(each.scores?.coverage_80)}</td>
            <td>{number(each.scores?.origins ?? 0, 0)}</td>
            <td class="text">{each.role === "champion" ? "–" : stateInGate(each)}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function ratioText(ratio: number | null): string {
  return ratio === null ? "–" : number(ratio, 3);
}

export function RoleScoresTable({ evaluation }: { evaluation: Evaluation }) {
  const roles = scored(evaluation);
  const { drift } = evaluation;
  return (
    <section class="plot-card">
      <h2>{hasMethods(evaluation) ? "Champion and challengers" : "Champion and challenger"}</h2>
      <p class="muted">Means over the forecasts of each role.</p>
      {roles.length === 0 ? <p>No forecast has matured yet; each takes 24 candles.</p> : (
        <Table caption="Scores by role" hideCaption class="numbers narrow" head={["Score", ...roles.map((each) => each.name)]}>
          {SCORES.map(([name, text]) => (
            <tr key={name}><th scope="row">{name}</th>{roles.map(({ role, scores }) => <td key={role}>{text(scores)}</td>)}</tr>
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
  const roles = scored(evaluation).filter(({ scores }) => scores.coverage_by_volatility);
  if (roles.length === 0) return null;
  return (
    <section>
      <h2>Coverage by volatility</h2>
      <p class="muted">Thirds of the forecasts by the volatility that was known when they were made.</p>
      <Table caption="Coverage by volatility tercile" hideCaption class="numbers narrow" head={["Volatility", ...roles.flatMap(({ name }) => [`${name}, 80%`, `${name}, 90%`])]}>
        {TERCILES.map(([key, name]) => (
          <tr key={key}>
            <th scope="row">{name}</th>
            {roles.map(({ role, scores }) => {
              const held = scores.coverage_by_volatility?.[key];
              return <><td key={`${role} 80`}>{percent(held?.coverage_80)}</td><td key={`${role} 90`}>{percent(held?.coverage_90)}</td></>;
            })}
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Gate({ of: { name, promotion } }: { of: Contender }) {
  if (!promotion) return null;
  return (
    <section>
      <h2>Test of the {name.toLowerCase()}</h2>
      <p>Version {promotion.challenger}: {DECISIONS[promotion.decision] ?? promotion.decision}.</p>
      {promotion.criteria && (
        <Table caption={`Criteria of the promotion gate for the ${name.toLowerCase()}`} hideCaption head={["Criterion", "Passed", "Finding"]}>
          {promotion.criteria.map((each) => (
            <tr key={each.name}><th scope="row">{criterionTitle(each.name)}</th><td>{each.passed ? "yes" : "no"}</td><td>{each.finding}</td></tr>
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
