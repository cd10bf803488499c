/// Slots for each power of two: a value is off by less than 1/64.
const SLOTS: u64 = 64;
const SLOT_BITS: u32 = SLOTS.trailing_zeros();

/// Latencies in nanoseconds, counted in slots that grow with the value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, nanoseconds: u64) {
        let slot = slot(nanoseconds);
        if self.counts.len() <= slot {
            self.counts.resize(slot + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(slot) {
            *count += 1;
            self.count += 1;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        for (own, other) in self.counts.iter_mut().zip(&other.counts) {
            *own += other;
        }
        self.count += other.count;
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Microseconds that `part` of the values do not exceed; 0 if there are none.
    pub(crate) fn quantile_us(&self, part: f64) -> f64 {
        let rank = (self.count as f64 * part).ceil().max(1.0) as u64;
        let mut below = 0;
        let slot = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        slot.map_or(0.0, |slot| lowest(slot as u64) as f64 / 1000.0)
    }
}

fn slot(value: u64) -> usize {
    let shift = (value | 1).ilog2().saturating_sub(SLOT_BITS);
    (u64::from(shift) * SLOTS + (value >> shift)) as usize
}

/// The smallest value of a slot.
fn lowest(slot: u64) -> u64 {
    let shift = (slot / SLOTS).saturating_sub(1);
    (slot - shift * SLOTS) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_in_order_and_narrow() {
        for power in 0..63 {
            for value in [(1_u64 << power) - 1, 1 << power, (1 << power) + 1, 3 << power >> 1] {
                let low = lowest(slot(value) as u64);
                assert!(low <= value && value - low <= value / SLOTS, "{value} {low}");
                assert!(slot(value) <= slot(value + 1));
            }
        }
    }

    #[test]
    fn quantiles_agree_with_sorting() {
        let mut values: Vec<u64> = (1..5000_u64).map(|n| (n * n * 7919) % 9_999_991).collect();
        let (mut left, mut right) = (Histogram::default(), Histogram::default());
        for (n, value) in values.iter().enumerate() {
            if n % 3 == 0 { left.add(*value) } else { right.add(*value) }
        }
        left.merge(&right);
        values.sort_unstable();
        assert_eq!(left.count(), values.len() as u64);
        for part in [0.01, 0.5, 0.99, 1.0] {
            let rank = (values.len() as f64 * part).ceil() as usize;
            let exact = values[rank - 1] as f64 / 1000.0;
            let got = left.quantile_us(part);
            assert!(got <= exact && got >= exact * 0.98, "{part}: {got} {exact}");
        }
        assert_eq!(Histogram::default().quantile_us(0.5).to_bits(), 0.0_f64.to_bits());
    }
}
