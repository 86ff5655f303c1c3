/** Where the archived forecasts and candles of a series are. The list is read when it is opened. */

import { useState } from "preact/hooks";
import type { Feed } from "../data/feed";
import { archiveOf } from "../data/shards";
import type { Manifest, PublicEntry } from "../data/types";
import { archivedMonths, downloadName, kindName } from "../rules/archive";
import { bytes, count } from "../rules/format";
import { seriesKey } from "../rules/names";
import { useArchive } from "../ui/hooks";
import { Banner } from "../ui/layout";
import { Table } from "../ui/parts";

interface Props {
  entry: PublicEntry;
  manifest: Manifest;
  feed: Feed;
  attempt: unknown;
}

export function Archive({ manifest, ...of }: Props) {
  const [isOpen, setIsOpen] = useState(false);
  const reference = archiveOf(manifest, of.entry).archive;
  return (
    <section>
      <h2>Archive</h2>
      {!reference ? <p class="muted">No archive is published yet.</p> : (
        <details onToggle={(event) => setIsOpen(event.currentTarget.open)}>
          <summary>All forecasts and candles of this series, as Parquet files</summary>
          {isOpen && <Files manifest={manifest} {...of} />}
        </details>
      )}
    </section>
  );
}

function Files({ entry, manifest, feed, attempt }: Props) {
  const { archive, folder } = archiveOf(manifest, entry);
  const { document, problem } = useArchive(archive, feed, attempt);
  if (problem) return <div role="status"><Banner tone="refused" title="The list of the archive cannot be read.">{problem.message}</Banner></div>;
  if (!document) return <p class="muted">Reading the list of the archive…</p>;
  const { kinds, months } = archivedMonths(document, entry);
  if (months.length === 0) return <p class="muted">The archive has no file of this series yet.</p>;
  return (
    <>
      <p class="muted">
        One file a month (UTC). Forecasts have one row a quantile: origin, target time, model, champion or challenger, made live or as a
        backtest. Candles are all that are stored. <a href={archive!.file}>The list</a> has the SHA-256 of each file.
      </p>
      <Table caption={`Archived files of ${seriesKey(entry)}`} hideCaption class="numbers" head={["Month", ...kinds.map(kindName)]}>
        {months.map(({ month, files }) => (
          <tr key={month}>
            <th scope="row">{month}</th>
            {files.map((file, at) => (
              <td key={kinds[at]}>
                {file ? <a href={folder + file.file} download={downloadName(file)}>{count(file.rows, "row")}, {bytes(file.bytes)}</a> : "–"}
              </td>
            ))}
          </tr>
        ))}
      </Table>
    </>
  );
}
