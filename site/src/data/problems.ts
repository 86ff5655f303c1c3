/** Why something could not be read. `kind` decides what the page does; `text` is for people. */

export type ProblemKind = "unreachable" | "absent" | "damaged" | "unknown_version";

export class Problem extends Error {
  constructor(
    readonly kind: ProblemKind,
    text: string,
  ) {
    super(text);
  }
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("damaged", error instanceof Error ? error.message : String(error));
}
