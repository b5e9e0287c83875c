//! Numbers that look like chance and follow from a seed alone, the same in every version: a seed
//! that was printed must give the same statements again.

/// A generator of numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `below` - 1; `below` is at least 1.
    pub fn below(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }

    /// True in so many of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them; there is at least one.
    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Up to `most` of them, at least one, in their order.
    pub fn some<T: Clone>(&mut self, choices: &[T], most: usize) -> Vec<T> {
        let wanted = 1 + self.below(most.min(choices.len()));
        let mut left: Vec<usize> = (0..choices.len()).collect();
        let mut taken: Vec<usize> = (0..wanted)
            .map(|_| left.remove(self.below(left.len())))
            .collect();
        taken.sort_unstable();
        taken.into_iter().map(|at| choices[at].clone()).collect()
    }
}
