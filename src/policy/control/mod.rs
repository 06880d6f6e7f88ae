//! Control: who decides what runs next. One file per form; each is a whole policy over the shared worker, board and gate.

mod agenda;
mod form;
pub(crate) mod lead;
pub(crate) mod queue;
pub(crate) mod solo;
pub(crate) mod threads;

use form::Form;
