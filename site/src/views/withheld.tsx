/** Series that the platform keeps from readers, and why. */

import type { Manifest } from "../data/types";
import { sentence, Table, Time } from "../ui/parts";

export function Withheld({ manifest }: { manifest: Manifest }) {
  const hidden = manifest.ops.entries.filter((entry) => entry.visibility !== "public");
  if (hidden.length === 0) return null;
  return (
    <section>
      <h2>Not published yet</h2>
      <p class="muted">The history of these series is still being collected. They appear in the overview when it is complete.</p>
      <Table caption="Hidden series" hideCaption head={["Series", "Candles so far (UTC)", "Reason"]}>
        {hidden.map((entry) => (
          <tr key={`${entry.symbol} ${entry.timeframe}`}>
            <th scope="row">{entry.symbol} {entry.timeframe}</th>
            <td>{entry.coverage_start && entry.coverage_end ? <><Time of={entry.coverage_start} /> to <Time of={entry.coverage_end} /></> : "none"}</td>
            <td>{sentence(entry.reason ?? "the history is still being collected")}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}
