//! Hard budgets: what a try can cost at most is reserved before it leaves.
//!
//! ```text
//! reserve -> reserved --settle--> spent      (the server told what it billed)
//!                     --lose----> possibly   (nobody saw the end; it stays charged as reserved)
//!                     --release-> nothing    (the server refused; refusals are not billed)
//! ```
//!
//! Invariant: spent + possibly + reserved never exceeds a cap, whatever is in flight, as long as the server keeps to
//! the most completion tokens it was told and to a token per byte of text.

use crate::kernel::Span;
use crate::model::price::Picodollars;
use crate::record::transcript::Billed;
use serde::Serialize;

/// Requests, tokens and money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// HTTP requests.
    pub calls: u64,
    /// Prompt and completion tokens.
    pub tokens: u64,
    /// Money.
    pub picodollars: u64,
}

impl Charge {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.picodollars = self.picodollars.saturating_add(other.picodollars);
    }

    /// Takes away as much as is there.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            tokens: self.tokens.saturating_sub(other.tokens),
            picodollars: self.picodollars.saturating_sub(other.picodollars),
        }
    }

    /// Tokens and money, without the request.
    pub fn billed(self) -> Billed {
        Billed { tokens: self.tokens, picodollars: self.picodollars }
    }
}

impl From<Billed> for Charge {
    fn from(b: Billed) -> Self {
        Self { calls: 0, tokens: b.tokens, picodollars: b.picodollars }
    }
}

type Part = fn(Charge) -> u64;
type Show<'a> = &'a dyn Fn(u64) -> String;

/// The caps of a live command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Caps {
    /// Dollars.
    pub usd: Option<f64>,
    /// Tokens.
    pub tokens: Option<u64>,
    /// HTTP requests.
    pub calls: Option<u64>,
    /// Seconds of all sessions.
    pub seconds: Option<f64>,
}

impl Caps {
    /// Whether there is none.
    pub fn are_absent(&self) -> bool {
        *self == Self::default()
    }

    /// The time limit.
    pub fn span(&self) -> Option<Span> {
        self.seconds.map(Span::from_secs_f64)
    }

    fn picodollars(&self) -> Option<u64> {
        self.usd.map(|usd| libm::floor(usd * 1e12) as u64)
    }
}

/// A cap that a try does not fit under.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// Flag of the cap.
    pub flag: &'static str,
    /// In words: the cap, what is spent, possibly billed and reserved, what the next try may need.
    pub told: String,
}

/// What is spent and reserved under the caps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// Caps.
    pub caps: Caps,
    /// Billed for certain.
    pub spent: Charge,
    /// Beyond that, at most billed by tries whose end nobody saw.
    pub possibly: Charge,
    /// For tries in flight.
    pub reserved: Charge,
    /// Most tokens by which a server exceeded a reservation; added to later ones.
    pub margin_tokens: u64,
    /// Tries that exceeded their reservation.
    pub exceeded: u64,
}

impl Budget {
    /// An untouched budget.
    pub fn new(caps: Caps) -> Self {
        Self { caps, ..Self::default() }
    }

    fn charged(&self) -> Charge {
        let mut all = self.spent;
        all.add(self.possibly);
        all.add(self.reserved);
        all
    }

    /// Reserves a try, or says which cap is in the way. Nothing changes then.
    pub fn reserve(&mut self, charge: Charge) -> Result<(), Reached> {
        let mut after = self.charged();
        after.add(charge);
        let usd = |pico: u64| format!("{:.6}", Picodollars(pico).as_usd());
        let number = |n: u64| n.to_string();
        let rows: [(&'static str, Option<u64>, Part, Show); 3] = [
            ("--max-calls", self.caps.calls, |c| c.calls, &number),
            ("--max-tokens", self.caps.tokens, |c| c.tokens, &number),
            ("--max-usd", self.caps.picodollars(), |c| c.picodollars, &usd),
        ];
        for (flag, cap, part, show) in rows {
            if let Some(cap) = cap.filter(|cap| part(after) > *cap) {
                let told = format!(
                    "{flag} {}: {} spent, {} possibly billed, {} reserved in flight, and the next try may need {}",
                    show(cap),
                    show(part(self.spent)),
                    show(part(self.possibly)),
                    show(part(self.reserved)),
                    show(part(charge))
                );
                return Err(Reached { flag, told });
            }
        }
        self.reserved.add(charge);
        Ok(())
    }

    /// A reserved try ended and the server told what it billed.
    pub fn settle(&mut self, reserved: Charge, actual: Charge) {
        self.reserved = self.reserved.less(reserved);
        self.spent.add(Charge { calls: reserved.calls, ..actual });
        if actual.tokens > reserved.tokens || actual.picodollars > reserved.picodollars {
            self.exceeded += 1;
            self.margin_tokens = self.margin_tokens.max(actual.tokens.saturating_sub(reserved.tokens));
        }
    }

    /// A reserved try ended and nobody knows what it was billed, beyond `known`.
    pub fn lose(&mut self, reserved: Charge, known: Charge) {
        self.reserved = self.reserved.less(reserved);
        self.spent.add(Charge { calls: reserved.calls, ..known });
        self.possibly.add(Charge { calls: 0, ..reserved }.less(known));
    }

    /// A reserved try was refused: only the request itself counts.
    pub fn release(&mut self, reserved: Charge) {
        self.settle(reserved, Charge::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(calls: u64, tokens: u64, picodollars: u64) -> Charge {
        Charge { calls, tokens, picodollars }
    }

    #[test]
    fn what_is_in_flight_counts() {
        let mut budget = Budget::new(Caps { tokens: Some(100), ..Caps::default() });
        assert!(budget.reserve(charge(1, 60, 0)).is_ok());
        let reached = budget.reserve(charge(1, 60, 0)).unwrap_err();
        assert_eq!(reached.flag, "--max-tokens");
        assert!(reached.told.contains("60 reserved"), "{}", reached.told);
        budget.settle(charge(1, 60, 0), charge(0, 20, 0));
        assert!(budget.reserve(charge(1, 60, 0)).is_ok(), "the rest was given back");
        budget.lose(charge(1, 60, 0), Charge::default());
        assert!(budget.reserve(charge(1, 60, 0)).is_err(), "a lost try stays charged");
        assert_eq!((budget.spent, budget.possibly), (charge(2, 20, 0), charge(0, 60, 0)));
    }

    #[test]
    fn caps_hold_for_calls_and_dollars() {
        let mut budget = Budget::new(Caps { calls: Some(1), usd: Some(0.000_001), ..Caps::default() });
        assert_eq!(budget.reserve(charge(1, 0, 1_000_001)).unwrap_err().flag, "--max-usd");
        assert!(budget.reserve(charge(1, 0, 1_000_000)).is_ok());
        budget.release(charge(1, 0, 1_000_000));
        assert_eq!(budget.reserve(charge(1, 0, 0)).unwrap_err().flag, "--max-calls");
    }
}
