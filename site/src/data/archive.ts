/** The list of the archive, `archive/index.json`: Parquet files by kind, series and month. */

export interface ArchivedFile {
  file: string;
  kind: string;
  symbol: string;
  timeframe: string;
  month: string;
  sha256: string;
  bytes: number;
  rows: number;
}

export interface ArchiveIndex {
  version: 1;
  as_of: string | null;
  files: ArchivedFile[];
}
