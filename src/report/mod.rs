//! What it means: tables, pictures and pages made from a trace or from objects, without knowing how the run was made.

pub mod kubectl;
