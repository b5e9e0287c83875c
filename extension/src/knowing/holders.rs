//! Who holds which role: everybody at once.

use std::collections::BTreeMap;

use celador_policy::PolicySet;
use celador_policy::access::roles_held;
use celador_policy::directory::{HeldRole, sql};

use crate::spi::{self, Reads};

/// The active people by `user` key, each with the roles held, those implied by others too. Who
/// holds none isn't among them.
pub(super) fn holders(policy: &PolicySet) -> BTreeMap<String, Vec<String>> {
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::read(&sql::holders(&policy.directory), &[], Reads::Latest))
    });
    let mut held: BTreeMap<String, Vec<HeldRole>> = BTreeMap::new();
    for row in rows {
        let mut row = row.into_iter();
        if let (Some(Some(user)), Some(Some(source)), Some(Some(value))) =
            (row.next(), row.next(), row.next())
            && let Ok(source) = source.parse()
        {
            held.entry(user).or_default().push(HeldRole {
                source,
                value,
                group: None,
            });
        }
    }
    held.into_iter()
        .map(|(user, held)| {
            (
                user,
                roles_held(policy, &held).into_keys().collect::<Vec<_>>(),
            )
        })
        .filter(|(_, roles)| !roles.is_empty())
        .collect()
}
