//! Control: who decides what runs next. One file per form; each is a whole policy over the shared worker, board and gate. Around a form: several runs of it side
//! by side, and whoever picks one of its submissions.

mod agenda;
mod form;
pub(crate) mod lead;
mod nested;
pub(crate) mod pick;
pub(crate) mod queue;
pub(crate) mod runs;
pub(crate) mod solo;
pub(crate) mod threads;

use form::Form;
