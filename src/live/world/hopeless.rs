//! Calls that end alike again and again: whoever goes on pays for what the last ones told already.
//!
//! Invariant: an answer ends every row of its endpoint, and of its purpose; what a server may mend by itself (busy,
//! silent, gone) begins none.

use super::ending::Ending;
use crate::model::call::Purpose;
use crate::record::transcript::CallClass;
use std::collections::BTreeMap;

/// Equal ends in a row after which a run stops, where nobody says otherwise.
pub const GIVE_UP_AFTER: u32 = 5;

/// Equal ends in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    class: CallClass,
    length: u32,
}

impl Row {
    fn after(before: Option<Self>, class: CallClass) -> Self {
        let length = before.filter(|row| row.class == class).map_or(0, |row| row.length);
        Self { class, length: length + 1 }
    }
}

/// The rows of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hopeless {
    any: Option<Row>,
    /// Cut and filtered answers depend on what is asked for.
    by_purpose: BTreeMap<Purpose, Row>,
}

impl Hopeless {
    /// Takes in the end of a call; the length of the longest row that it stands in.
    pub(super) fn note(&mut self, purpose: Purpose, ending: &Ending) -> u32 {
        let class = ending.class();
        match class {
            CallClass::Answered => {
                self.any = None;
                self.by_purpose.remove(&purpose);
                0
            }
            CallClass::TimedOut | CallClass::Lost => 0,
            CallClass::Unreadable | CallClass::Refused => self.lengthen(class),
            CallClass::Cut | CallClass::Filtered => {
                let own = Row::after(self.by_purpose.get(&purpose).copied(), class);
                self.by_purpose.insert(purpose, own);
                self.lengthen(class).max(own.length)
            }
        }
    }

    fn lengthen(&mut self, class: CallClass) -> u32 {
        let row = Row::after(self.any, class);
        self.any = Some(row);
        row.length
    }
}

/// Why a run stops, and what may help.
pub(super) fn told(length: u32, ending: &Ending) -> String {
    let (words, mend) = ending.words();
    format!("{length} calls in a row {words}, and more requests would be paid in vain; {mend}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_a_row_and_another_end_begins_anew() {
        let mut rows = Hopeless::default();
        let cut = Ending::Cut(Some(64));
        assert_eq!((rows.note(Purpose::Step, &cut), rows.note(Purpose::Verify, &cut)), (1, 2));
        assert_eq!(rows.note(Purpose::Step, &Ending::Unreadable), 1);
        assert_eq!(rows.note(Purpose::Step, &Ending::Lost(String::new())), 0);
        assert_eq!(rows.note(Purpose::Finalize, &Ending::Answered), 0);
        assert_eq!(rows.note(Purpose::Step, &cut), 2, "no step was answered since");
        assert_eq!(rows.note(Purpose::Step, &Ending::Answered), 0);
        assert_eq!(rows.note(Purpose::Step, &cut), 1);
    }
}
