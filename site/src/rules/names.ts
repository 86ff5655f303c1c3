/** Names of series in addresses and file names. */

/** `BTC/USDT` becomes `BTC_USDT`, as in the names of published files. */
export function safeName(symbol: string): string {
  return symbol.replace(/[^A-Za-z0-9]/g, "_");
}

export function seriesKey(of: { symbol: string; timeframe: string }): string {
  return `${of.symbol} ${of.timeframe}`;
}
