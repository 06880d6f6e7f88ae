//! The seam from the policies' side: events in, commands out, without a world. Scripts say what each form does with what
//! it is told; random orders of legal events say that no form loses its way.

mod laws;
mod orders;
mod scripts;
mod table;
mod worlds_truth;
