/** A view that fails on a document of an unexpected form leaves the rest of the page working. */

import { Component, type ComponentChildren } from "preact";
import { Heading } from "./layout";

export class Boundary extends Component<{ children: ComponentChildren }, { error: string | null }> {
  override state = { error: null };

  static override getDerivedStateFromError(error: unknown): { error: string } {
    return { error: error instanceof Error ? error.message : String(error) };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <>
        <Heading title="Not shown">This view cannot be shown</Heading>
        <p>A published document has an unexpected form: {this.state.error}</p>
      </>
    );
  }
}
