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

/// A row that a call stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alike {
    pub(super) length: u32,
    /// The one purpose that all of the row were for, where the calls between had others.
    pub(super) of: Option<Purpose>,
}

impl Alike {
    fn of_all(length: u32) -> Self {
        Self { length, of: None }
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
    /// Takes in the end of a call; the longest row that it stands in.
    pub(super) fn note(&mut self, purpose: Purpose, ending: &Ending) -> Alike {
        let class = ending.class();
        match class {
            CallClass::Answered => {
                self.any = None;
                self.by_purpose.remove(&purpose);
                Alike::of_all(0)
            }
            CallClass::TimedOut | CallClass::Lost => Alike::of_all(0),
            CallClass::Unreadable | CallClass::Refused => Alike::of_all(self.lengthen(class)),
            CallClass::Cut | CallClass::Filtered => {
                let own = Row::after(self.by_purpose.get(&purpose).copied(), class);
                self.by_purpose.insert(purpose, own);
                let all = self.lengthen(class);
                if own.length > all {
                    return Alike { length: own.length, of: Some(purpose) };
                }
                Alike::of_all(all)
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
pub(super) fn told(alike: Alike, ending: &Ending) -> String {
    let (words, mend) = ending.words();
    let purpose = alike.of.map_or(String::new(), |purpose| format!(" for `{}`", purpose.name()));
    format!("{} calls{purpose} in a row {words}, and more requests would be paid in vain; {mend}", alike.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_a_row_and_another_end_begins_anew() {
        let mut rows = Hopeless::default();
        let cut = Ending::Cut(Some(64));
        let mut note = |purpose, ending: &Ending| rows.note(purpose, ending);
        assert_eq!((note(Purpose::Step, &cut).length, note(Purpose::Verify, &cut).length), (1, 2));
        assert_eq!(note(Purpose::Step, &Ending::Unreadable).length, 1);
        assert_eq!(note(Purpose::Step, &Ending::Lost(String::new())).length, 0);
        assert_eq!(note(Purpose::Finalize, &Ending::Answered).length, 0);
        let of_steps = note(Purpose::Step, &cut);
        assert_eq!(of_steps, Alike { length: 2, of: Some(Purpose::Step) }, "no step was answered since");
        assert!(told(of_steps, &cut).starts_with("2 calls for `step` in a row were cut by max_tokens = 64"));
        assert_eq!(note(Purpose::Step, &Ending::Answered).length, 0);
        assert_eq!(note(Purpose::Step, &cut), Alike::of_all(1));
    }
}
