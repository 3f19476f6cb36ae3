//! Derives the schemas and catalogues of this repository from the published ones.
fn main() {}
