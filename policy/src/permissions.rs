//! What roles may. Many cells of a large matrix are the same: each is kept once, in memory and as
//! the policy is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::action::Action;
use crate::policy_set::Grant;

/// What a role may in a module: action → what is granted.
pub type Cells = BTreeMap<Action, Vec<Grant>>;

/// Role → module → what is there. Equal ones may be one.
pub(crate) type ByRole<T> = BTreeMap<String, BTreeMap<String, Arc<T>>>;

/// Role → module → cells. Wildcards are written out.
pub type Permissions = ByRole<Cells>;

/// Has equal cells kept once.
pub(crate) fn share<T: Ord>(permissions: &mut ByRole<T>) {
    let mut pool = Pool::new();
    for cells in permissions.values_mut().flat_map(BTreeMap::values_mut) {
        let place = pool.place(cells);
        *cells = Arc::clone(&pool.distinct[place]);
    }
}

/// Distinct cells in the order in which they were met.
struct Pool<T> {
    distinct: Vec<Arc<T>>,
    by_value: BTreeMap<Arc<T>, usize>,
    /// Those that were met before; what they point to stays while its owner is looked through.
    by_pointer: FxHashMap<*const T, usize>,
}

impl<T: Ord> Pool<T> {
    fn new() -> Self {
        Self {
            distinct: Vec::new(),
            by_value: BTreeMap::new(),
            by_pointer: FxHashMap::default(),
        }
    }

    fn place(&mut self, cells: &Arc<T>) -> usize {
        let pointer = Arc::as_ptr(cells);
        if let Some(place) = self.by_pointer.get(&pointer) {
            return *place;
        }
        let next = self.distinct.len();
        let place = *self.by_value.entry(Arc::clone(cells)).or_insert(next);
        if place == next {
            self.distinct.push(Arc::clone(cells));
        }
        self.by_pointer.insert(pointer, place);
        place
    }
}

#[derive(Serialize, Deserialize)]
struct Stored<C> {
    cells: Vec<C>,
    /// Role → module → which of the cells.
    roles: BTreeMap<String, BTreeMap<String, usize>>,
}

pub(crate) fn serialize<T: Ord + Serialize, S: Serializer>(
    permissions: &ByRole<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut pool = Pool::new();
    let roles = permissions
        .iter()
        .map(|(role, modules)| {
            let places = modules.iter();
            let places = places.map(|(module, cells)| (module.clone(), pool.place(cells)));
            (role.clone(), places.collect())
        })
        .collect();
    let cells: Vec<&T> = pool.distinct.iter().map(AsRef::as_ref).collect();
    Stored { cells, roles }.serialize(serializer)
}

pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<ByRole<T>, D::Error> {
    let stored = Stored::<T>::deserialize(deserializer)?;
    let distinct: Vec<Arc<T>> = stored.cells.into_iter().map(Arc::new).collect();
    let cells = |place: usize| {
        let cells = distinct.get(place).map(Arc::clone);
        cells.ok_or_else(|| serde::de::Error::custom("a role has cells that are not there"))
    };
    stored
        .roles
        .into_iter()
        .map(|(role, modules)| {
            let modules = modules
                .into_iter()
                .map(|(module, place)| Ok((module, cells(place)?)));
            Ok((role, modules.collect::<Result<_, D::Error>>()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions() -> Permissions {
        let cells = |actions: &[Action]| {
            let cells = actions.iter().map(|action| (*action, Vec::new()));
            Arc::new(Cells::from_iter(cells))
        };
        let read = [Action::Read];
        let both = [Action::Read, Action::Update];
        let of = |cells: [Arc<Cells>; 2]| {
            let modules = ["accounts", "contacts"].map(str::to_owned);
            modules.into_iter().zip(cells).collect()
        };
        BTreeMap::from([
            ("agent".to_owned(), of([cells(&read), cells(&both)])),
            ("seller".to_owned(), of([cells(&both), cells(&read)])),
        ])
    }

    #[test]
    fn equal_cells_are_one() {
        let mut shared = permissions();
        share(&mut shared);
        assert_eq!(shared, permissions());
        let (agent, seller) = (&shared["agent"], &shared["seller"]);
        assert!(Arc::ptr_eq(&agent["accounts"], &seller["contacts"]));
        assert!(Arc::ptr_eq(&agent["contacts"], &seller["accounts"]));
        assert!(!Arc::ptr_eq(&agent["accounts"], &agent["contacts"]));
    }

    #[test]
    fn what_is_stored_is_read_back_and_nothing_else() {
        let stored = serialize(&permissions(), serde_json::value::Serializer);
        let stored = stored.expect("it can be stored");
        assert_eq!(stored["cells"].as_array().map(Vec::len), Some(2));
        let read = deserialize(stored.clone()).expect("it can be read");
        assert_eq!(read, permissions());
        let mut broken = stored;
        broken["roles"]["agent"]["accounts"] = 2.into();
        assert!(deserialize::<Cells, _>(broken).is_err());
    }
}
