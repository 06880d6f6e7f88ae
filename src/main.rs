//! The `delm-sim` binary.
fn main() {}
