/** Criteria of the promotion gate, in words. */

// As in coin_assets/domain/evaluation/promotion_criteria.py; a test compares the two.
const TITLES = new Map([
  ["sample", "Enough forecasts"],
  ["live", "Enough live forecasts"],
  ["recent", "Recent forecasts"],
  ["naive", "Lower loss than the naive forecast’s"],
  ["champion", "Lower loss than the champion’s"],
  ["live_agrees", "Lower loss than the champion’s, live"],
  ["coverage", "Calibrated 80% interval"],
  ["lasting", "Several tests passed in a row"],
  ["cool_down", "Champion long enough in its role"],
]);

/** What a criterion demands; its name if a later release has added it. */
export function criterionTitle(name: string): string {
  return TITLES.get(name) ?? name;
}
