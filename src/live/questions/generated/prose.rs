//! Made-up people, codes and sentences of the generator.
//!
//! Invariant: within a question no two people share a name and no two codes are equal; plain sentences name no person,
//! no role and no code.

use crate::kernel::{Address, Draws, Key};

/// What one person can be to another; a relation has one person at its end.
pub(super) const ROLES: [&str; 11] =
    ["deputy", "landlord", "tutor", "tailor", "dentist", "gardener", "baker", "barber", "notary", "driver", "cobbler"];

const FIRST: [&str; 40] = [
    "Adela", "Anselm", "Bertil", "Brisa", "Calum", "Cosima", "Dario", "Delia", "Edvin", "Elske", "Fabia", "Florin",
    "Gerda", "Gustin", "Hedda", "Hugo", "Ilka", "Ivo", "Jorun", "Jasper", "Kaia", "Kasimir", "Lena", "Ludo", "Mira",
    "Matti", "Nadia", "Nils", "Odile", "Orson", "Petra", "Pavel", "Rhea", "Ruben", "Selma", "Stellan", "Tilda",
    "Tomas", "Vera", "Wim",
];
const HEAD: [&str; 30] = [
    "Al", "Bar", "Bren", "Cal", "Cor", "Dal", "Dren", "El", "Far", "Fen", "Gal", "Har", "Hol", "Kar", "Kel", "Lan",
    "Lor", "Mar", "Mel", "Nor", "Or", "Pel", "Ran", "Sel", "Sol", "Tar", "Tol", "Var", "Wes", "Yar",
];
const TAIL: [&str; 30] = [
    "bach", "bury", "dane", "dor", "fell", "feld", "gard", "grave", "ham", "holt", "kin", "land", "ling", "lock",
    "man", "mark", "mere", "mond", "nick", "quist", "rand", "rick", "sen", "stad", "strom", "thal", "vane", "vik",
    "wick", "worth",
];
/// Names there are.
pub(super) const NAMES: u64 = 40 * 30 * 30;
/// No vowels, so that no code spells a word.
const CONSONANTS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Codes there are: three consonants and a number of four digits.
const CODES: u64 = 20 * 20 * 20 * 9000;

/// The people of one question and what belongs to them.
pub(super) struct Names {
    people: (u64, u64),
    codes: (u64, u64),
}

impl Names {
    /// Draws who is who.
    pub(super) fn new(key: &Key, purpose: u16) -> Self {
        let draws = key.draws(Address { purpose, entity: 0, attempt: 0, step: 0 });
        let walk = |lane, space| (draws.bits(lane) % space, stride(draws.bits(lane + 1) % space));
        Self { people: walk(0, NAMES), codes: walk(2, CODES) }
    }

    /// Name of person `i`.
    pub(super) fn person(&self, i: u64) -> String {
        let n = (self.people.0 + i % NAMES * self.people.1) % NAMES;
        let (first, head, tail) = (n % 40, n / 40 % 30, n / 1200);
        format!("{} {}{}", FIRST[first as usize], HEAD[head as usize], TAIL[tail as usize])
    }

    /// Code of person `i`.
    pub(super) fn code(&self, i: u64) -> String {
        let n = (self.codes.0 + i % CODES * self.codes.1) % CODES;
        let letter = |n: u64| char::from(CONSONANTS[(n % 20) as usize]);
        format!("{}{}{}-{}", letter(n / 9000), letter(n / 180_000), letter(n / 3_600_000), 1000 + n % 9000)
    }

    /// A sentence that gives a person's code.
    pub(super) fn has_code(&self, person: u64, manner: u64) -> String {
        let (who, code) = (self.person(person), self.code(person));
        match manner % 3 {
            0 => format!("The locker of {who} opens with the code {code}."),
            1 => format!("{who} has a locker that opens with the code {code}."),
            _ => format!("With the code {code} one opens the locker of {who}."),
        }
    }

    /// A sentence that gives the person who is `role` to another.
    pub(super) fn has_role(&self, person: u64, role: usize, other: u64) -> String {
        let (who, other, role) = (self.person(person), self.person(other), ROLES[role]);
        match person % 3 {
            0 => format!("The {role} of {who} is {other}."),
            1 => format!("{who} has {other} as {role}."),
            _ => format!("{other} works as the {role} of {who}."),
        }
    }
}

/// A step that visits every place of a space whose prime factors are 2, 3 and 5 before it returns.
fn stride(mut step: u64) -> u64 {
    while step.is_multiple_of(2) || step.is_multiple_of(3) || step.is_multiple_of(5) {
        step += 1;
    }
    step
}

const TIMES: [&str; 8] = [
    "Before noon",
    "In the evening",
    "Late in spring",
    "After the first frost",
    "On market days",
    "During the long rains",
    "Near the end of the season",
    "Once the ferry had left",
];
const THINGS: [&str; 12] = [
    "the narrow bridge",
    "the lower mill",
    "the reading room",
    "the fish stalls",
    "the north stairs",
    "the tram shed",
    "the glass house",
    "the salt store",
    "the bell tower",
    "the orchard wall",
    "the weaving hall",
    "the old pump",
];
const EVENTS: [&str; 10] = [
    "was closed for repairs",
    "drew more visitors than usual",
    "had to be swept twice",
    "smelled of fresh paint",
    "stood under water for a day",
    "was lit by lanterns",
    "stayed quiet for hours",
    "was measured once again",
    "needed a new roof",
    "was guarded by two geese",
];
const REMARKS: [&str; 8] = [
    "and nobody seemed to mind",
    "which pleased the council",
    "so the carts took the other road",
    "and the children stayed to watch",
    "as the almanac had foretold",
    "though the cost was never settled",
    "while the band went on playing",
    "and a note was pinned to the door",
];
const PAPERS: [&str; 8] = ["Minutes", "Letters", "Ledger", "Diary", "Bulletin", "Notebook", "Register", "Gazette"];

fn pick<'a>(from: &[&'a str], draws: &Draws, lane: usize) -> &'a str {
    from[(draws.bits(lane) % from.len() as u64) as usize]
}

/// A sentence of plain prose.
pub(super) fn sentence(draws: &Draws) -> String {
    let (time, thing, event) = (pick(&TIMES, draws, 0), pick(&THINGS, draws, 1), pick(&EVENTS, draws, 2));
    format!("{time} {thing} {event}, {}.", pick(&REMARKS, draws, 3))
}

/// The title of a question's document.
pub(super) fn title(draws: &Draws, number: usize) -> String {
    let thing = pick(&THINGS, draws, 1);
    format!("{} {number} on {thing}", pick(&PAPERS, draws, 0))
}
