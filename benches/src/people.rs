//! Who asks: the same five places in each division, whose people work by different rules.
//!
//! `sql/people.sql` numbers people so that a division, an office and a team begin with whoever
//! leads them: numbers say who is above whom.

use serde::Serialize;

/// How many people there are, and in how large divisions they work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Staff {
    /// People, without the director.
    pub(crate) users: i32,
    /// Groups, without the one above all.
    pub(crate) groups: i32,
}

/// By which rule a division works; each has a role of that name in `sql/policy.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Division {
    /// What I own, and those below me.
    Seller,
    /// What is filed under my groups, and those below.
    Territory,
    /// Both, and what is shared with me, and what a rule opens.
    Partner,
    /// Contacts with a ticket of mine, or of those below me.
    Support,
}

/// Whom the director's 20,000 people are divided among.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Nobody below.
    Agent,
    /// A team of 20.
    Lead,
    /// Ten per cent of all.
    Regional,
    /// A quarter.
    Vice,
    /// All.
    Director,
}

/// Somebody who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person {
    /// The key of the person.
    pub(crate) id: i32,
    /// The place.
    pub(crate) level: Level,
    /// The division whose rule counts; a director has none of them, and sees what the rule that is
    /// measured gives to whoever is above all.
    pub(crate) division: Division,
}

impl Division {
    /// All, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [Self::Seller, Self::Territory, Self::Partner, Self::Support];

    /// The name of its role.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Seller => "seller",
            Self::Territory => "territory",
            Self::Partner => "partner",
            Self::Support => "support",
        }
    }
}

impl Level {
    /// From the bottom to the top.
    pub(crate) const ALL: [Self; 5] = [
        Self::Agent,
        Self::Lead,
        Self::Regional,
        Self::Vice,
        Self::Director,
    ];

    /// As people say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Lead => "lead",
            Self::Regional => "regional manager",
            Self::Vice => "vice president",
            Self::Director => "director",
        }
    }
}

impl Staff {
    /// A quarter of them is a division, but no more than 5,000.
    pub(crate) fn division(self) -> i32 {
        (self.users / 4).min(5_000)
    }

    /// Two fifths of a division.
    pub(crate) fn office(self) -> i32 {
        self.division() * 2 / 5
    }

    /// Twenty.
    pub(crate) fn team(self) -> i32 {
        20
    }

    /// The person at that place in a division.
    pub(crate) fn person(self, division: Division, level: Level) -> Person {
        let first = 1 + Division::ALL
            .iter()
            .position(|known| *known == division)
            .map_or(0, |at| at as i32)
            * self.division();
        // The second office and its second team: the first ones are led from above.
        let team = first + self.office() + self.team();
        let id = match level {
            Level::Agent => team + self.team() / 2,
            Level::Lead => team,
            Level::Regional => first + self.office(),
            Level::Vice => first,
            Level::Director => self.users + 1,
        };
        Person {
            id,
            level,
            division,
        }
    }

    /// Sellers who come one after another: agents of many teams, a few leads, and their vice president.
    pub(crate) fn sellers(self, count: i32) -> Vec<i32> {
        // Leads' numbers lie an even number apart.
        let step = (self.division() / count) | 1;
        (0..count)
            .map(|at| 1 + at * step % self.division())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_the_numbers_that_the_tree_gives_them() {
        let staff = Staff {
            users: 20_000,
            groups: 2_000,
        };
        let ids = |division| Level::ALL.map(|level| staff.person(division, level).id);
        assert_eq!(ids(Division::Seller), [2031, 2021, 2001, 1, 20_001]);
        assert_eq!(ids(Division::Territory), [7031, 7021, 7001, 5001, 20_001]);
    }
}
