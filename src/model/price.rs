//! Money: integer pico-dollars, prices by rule.

use super::call::Usage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pico-dollars (1e-12 $): one token at $1 per million costs exactly one million of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Picodollars(pub u64);

impl Picodollars {
    /// As dollars, for tables.
    pub fn as_usd(self) -> f64 {
        self.0 as f64 * 1e-12
    }
}

impl std::ops::Add for Picodollars {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::AddAssign for Picodollars {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// Dollars per million tokens of one prompt-length tier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Prompt tokens that are neither read from nor written to the cache.
    #[serde(default)]
    pub input_usd_per_mtok: f64,
    /// Prompt tokens read from the cache; 0: as input.
    #[serde(default)]
    pub cache_read_usd_per_mtok: f64,
    /// Prompt tokens written to the cache; 0: as input.
    #[serde(default)]
    pub cache_write_usd_per_mtok: f64,
    /// Completion tokens, reasoning included.
    #[serde(default)]
    pub output_usd_per_mtok: f64,
}

/// Rates that hold for the whole call when its prompt is longer than a bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The tier holds above this prompt length.
    pub above_prompt_tokens: u64,
    /// Its rates.
    pub rates: Rates,
}

/// What an endpoint charges.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceSpec {
    /// Rates below every tier.
    #[serde(default)]
    pub rates: Rates,
    /// Tiers by prompt length, in rising order.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// Dollars per hour in which a call is served: of a tool's sandbox, or of a slot of one's own machine.
    #[serde(default)]
    pub busy_usd_per_hour: f64,
    /// Nobody knows what is charged here; also set where no endpoint of a scenario states a price. While no rate is set, costs are unknown, and not 0. Not written out while it
    /// is false.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub unknown: bool,
}

impl PriceSpec {
    /// Whether costs can be told: the price is known, or somebody set a rate after all.
    pub fn is_known(&self) -> bool {
        !self.unknown || *self != Self { unknown: true, ..Self::default() }
    }
}

/// A price list in integers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PriceList {
    tiers: Vec<(u64, [u64; 4])>,
    pico_per_busy_second: u64,
}

/// Pico-dollars of one call by token kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Per uncached, unwritten prompt token.
    pub input: u64,
    /// Per token read from the cache.
    pub cache_read: u64,
    /// Per token written to the cache.
    pub cache_write: u64,
    /// Per completion token.
    pub output: u64,
}

impl PriceList {
    /// Turns rates into integers, scaled by a protocol cost factor (1 for none).
    pub fn new(spec: &PriceSpec, factor: f64) -> Self {
        let pico = |usd_per_mtok: f64| libm::round(usd_per_mtok * factor * 1e6) as u64;
        let or_input =
            |usd_per_mtok: f64, r: &Rates| if usd_per_mtok > 0.0 { usd_per_mtok } else { r.input_usd_per_mtok };
        let row = |r: &Rates| {
            [
                pico(r.input_usd_per_mtok),
                pico(or_input(r.cache_read_usd_per_mtok, r)),
                pico(or_input(r.cache_write_usd_per_mtok, r)),
                pico(r.output_usd_per_mtok),
            ]
        };
        let mut tiers = vec![(0, row(&spec.rates))];
        tiers.extend(spec.tiers.iter().map(|t| (t.above_prompt_tokens, row(&t.rates))));
        Self { tiers, pico_per_busy_second: libm::round(spec.busy_usd_per_hour * factor * 1e12 / 3600.0) as u64 }
    }

    /// The rates that hold for a prompt of this length, in pico-dollars per token.
    pub fn charge(&self, prompt_tokens: u64) -> Charge {
        let row = self
            .tiers
            .iter()
            .rev()
            .find(|(above, _)| *above == 0 || prompt_tokens > *above)
            .map_or([0; 4], |(_, row)| *row);
        Charge { input: row[0], cache_read: row[1], cache_write: row[2], output: row[3] }
    }

    /// Cost of a call's tokens.
    pub fn cost(&self, usage: &Usage) -> Picodollars {
        let charge = self.charge(usage.prompt_tokens);
        let plain = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens;
        Picodollars(
            plain * charge.input
                + usage.cached_tokens * charge.cache_read
                + usage.cache_write_tokens * charge.cache_write
                + usage.completion_tokens * charge.output,
        )
    }

    /// Cost of busy time.
    pub fn busy_cost(&self, busy: crate::kernel::Span) -> Picodollars {
        if self.pico_per_busy_second == 0 {
            return Picodollars(0);
        }
        let pico = u128::from(busy.as_nanos()) * u128::from(self.pico_per_busy_second) / 1_000_000_000;
        Picodollars(u64::try_from(pico).unwrap_or(u64::MAX))
    }
}

/// What money and time are spent on. [`Purpose::role`](super::call::Purpose::role) says which purpose has which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CostRole {
    /// Working on the task.
    Work,
    /// Tool time.
    Tool,
    /// Planning, briefing, reporting, merging.
    Coordination,
    /// The gate.
    Verification,
}

/// Cost of a call by role. Board spans are reading; everything else takes the role of the call's purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Roles {
    /// Working on the task.
    pub work: Picodollars,
    /// Tool time.
    pub tool: Picodollars,
    /// Planning, briefing, reporting, merging.
    pub coordination: Picodollars,
    /// The gate.
    pub verification: Picodollars,
    /// Reading the board.
    pub reading: Picodollars,
}

impl Roles {
    /// The whole cost.
    pub fn total(&self) -> Picodollars {
        self.work + self.tool + self.coordination + self.verification + self.reading
    }

    /// The part that what is not read from a board belongs to.
    pub fn of_mut(&mut self, role: CostRole) -> &mut Picodollars {
        match role {
            CostRole::Work => &mut self.work,
            CostRole::Tool => &mut self.tool,
            CostRole::Coordination => &mut self.coordination,
            CostRole::Verification => &mut self.verification,
        }
    }

    /// Adds another call's cost.
    pub fn add(&mut self, other: &Self) {
        self.work += other.work;
        self.tool += other.tool;
        self.coordination += other.coordination;
        self.verification += other.verification;
        self.reading += other.reading;
    }
}

/// A sum of pico-dollars over many calls: a million agents at $20 each are beyond what [`Picodollars`] can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PicodollarSum(u128);

impl PicodollarSum {
    /// As dollars, for tables.
    pub fn as_usd(self) -> f64 {
        self.0 as f64 * 1e-12
    }
}

impl std::ops::AddAssign<Picodollars> for PicodollarSum {
    fn add_assign(&mut self, other: Picodollars) {
        self.0 += u128::from(other.0);
    }
}

/// Costs of many calls by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoleSums {
    /// Working on the task.
    pub work: PicodollarSum,
    /// Tool time.
    pub tool: PicodollarSum,
    /// Planning, briefing, reporting, merging.
    pub coordination: PicodollarSum,
    /// The gate.
    pub verification: PicodollarSum,
    /// Reading the board.
    pub reading: PicodollarSum,
}

impl RoleSums {
    /// The whole cost.
    pub fn total(&self) -> PicodollarSum {
        PicodollarSum(
            [self.work, self.tool, self.coordination, self.verification, self.reading].iter().map(|sum| sum.0).sum(),
        )
    }

    /// Adds a call's cost.
    pub fn add(&mut self, call: &Roles) {
        self.work += call.work;
        self.tool += call.tool;
        self.coordination += call.coordination;
        self.verification += call.verification;
        self.reading += call.reading;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sonnet() -> PriceSpec {
        PriceSpec {
            rates: Rates {
                input_usd_per_mtok: 3.0,
                cache_read_usd_per_mtok: 0.30,
                cache_write_usd_per_mtok: 3.75,
                output_usd_per_mtok: 15.0,
            },
            ..PriceSpec::default()
        }
    }

    /// Closed form: one step with 119,000 cached, 875 new and 214 output tokens costs $0.04219125.
    #[test]
    fn one_step_costs_what_arithmetic_says() {
        let usage =
            Usage { prompt_tokens: 119_875, cached_tokens: 119_000, cache_write_tokens: 875, completion_tokens: 214 };
        assert_eq!(PriceList::new(&sonnet(), 1.0).cost(&usage), Picodollars(42_191_250_000));
        let plain = Usage { cached_tokens: 0, cache_write_tokens: 0, ..usage };
        assert_eq!(PriceList::new(&sonnet(), 1.0).cost(&plain), Picodollars(362_835_000_000));
        // 35 of 100 plain, 40 read, 25 written, 2 out: 105 + 12 + 93.75 + 30 millionths.
        let mixed = Usage { prompt_tokens: 100, cached_tokens: 40, cache_write_tokens: 25, completion_tokens: 2 };
        assert_eq!(PriceList::new(&sonnet(), 1.0).cost(&mixed), Picodollars(240_750_000));
    }

    /// Who names no price for the cache pays input for it, not nothing.
    #[test]
    fn an_unnamed_cache_price_is_the_input_price() {
        let spec = PriceSpec { rates: Rates { input_usd_per_mtok: 2.0, ..Rates::default() }, ..PriceSpec::default() };
        let charge = PriceList::new(&spec, 1.0).charge(10);
        assert_eq!((charge.cache_read, charge.cache_write), (2_000_000, 2_000_000));
    }

    /// $3.60 an hour, twice as much by the factor: two billion pico-dollars a second.
    #[test]
    fn a_factor_scales_tokens_and_busy_time_alike() {
        let list = PriceList::new(&PriceSpec { busy_usd_per_hour: 3.6, ..sonnet() }, 2.0);
        assert_eq!(list.busy_cost(crate::kernel::Span::from_secs_f64(1.5)), Picodollars(3_000_000_000));
        let twice = Charge { input: 6_000_000, cache_read: 600_000, cache_write: 7_500_000, output: 30_000_000 };
        assert_eq!(list.charge(1), twice);
    }

    #[test]
    fn a_cost_is_the_sum_of_its_roles() {
        let part = |x| {
            let p = Picodollars;
            Roles {
                work: p(x),
                tool: p(10 * x),
                coordination: p(100 * x),
                verification: p(1000 * x),
                reading: p(10_000 * x),
            }
        };
        let mut whole = part(1);
        whole.add(&part(2));
        assert_eq!((whole, whole.total()), (part(3), Picodollars(33_333)));
        let each = [CostRole::Work, CostRole::Tool, CostRole::Coordination, CostRole::Verification];
        assert_eq!(each.map(|role| whole.of_mut(role).0), [3, 30, 300, 3000]);
        assert_eq!(Picodollars(2_500_000_000_000).as_usd(), 2.5);
    }

    #[test]
    fn a_tier_holds_strictly_above_its_bound() {
        let mut spec = sonnet();
        spec.tiers
            .push(Tier { above_prompt_tokens: 200_000, rates: Rates { input_usd_per_mtok: 6.0, ..Rates::default() } });
        let list = PriceList::new(&spec, 1.0);
        assert_eq!(list.charge(200_000).input, 3_000_000);
        assert_eq!(list.charge(200_001).input, 6_000_000);
    }
}
