"""Where gradients come from: derivatives of scalar formulas, what is known of values, and the backward pass of a graph."""
