//! Many busy sessions while memberships change: how much of their throughput is left.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use postgres::types::Type;

use crate::backend::Code;
use crate::databases::{CELADOR, Databases};
use crate::figures::{Bound, Figure};
use crate::interleaved::median;
use crate::people::Staff;
use crate::values::Value;

/// Changes a second.
const CHANGES: u32 = 50;

/// How many sessions, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Busy {
    /// Sessions that ask without pause.
    pub(crate) sessions: usize,
    /// How often throughput is taken without changes and with them, in turn.
    pub(crate) rounds: usize,
    /// How long each time.
    pub(crate) time: Duration,
}

/// Throughput with changes, as a share of that without.
pub(crate) fn measure(
    databases: &Databases,
    staff: Staff,
    busy: Busy,
    timeout: Duration,
) -> Result<Vec<Figure>> {
    let (stop, executed) = (AtomicBool::new(false), AtomicU64::new(0));
    let people = staff.sellers(busy.sessions as i32);
    let mut sessions = Vec::new();
    for person in people {
        let mut backend = databases.person(person, timeout)?;
        let sql = "SELECT id, name, email FROM contacts WHERE id = $1";
        let code = Code::Prepared(backend.prepare(sql, &[Type::INT4])?);
        sessions.push((backend, code));
    }
    let (shares, made) = thread::scope(|scope| {
        for (at, (backend, code)) in sessions.iter_mut().enumerate() {
            let (stop, executed) = (&stop, &executed);
            scope.spawn(move || {
                let mut key = at as i32;
                while !stop.load(Ordering::Relaxed) {
                    key = key % 1000 + 1;
                    // An error shows as missing throughput.
                    if backend.run(code, &[Value::Int(key)]).is_ok() {
                        executed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let result = in_turn(databases, staff, busy, &executed);
        stop.store(true, Ordering::Relaxed);
        result
    })?;
    let Some(share) = median(&shares) else {
        bail!("nothing was measured");
    };
    Ok(vec![
        Figure::new(
            format!(
                "throughput of {} sessions under {CHANGES} changes of memberships a second, of that without",
                busy.sessions
            ),
            share,
            "",
            Some(Bound::AtLeast(0.95)),
        ),
        Figure::new("… changes made a second", made, "", None),
    ])
}

/// Throughput without and with changes, in turn: the shares, and the changes made a second.
fn in_turn(
    databases: &Databases,
    staff: Staff,
    busy: Busy,
    executed: &AtomicU64,
) -> Result<(Vec<f64>, f64)> {
    let mut client = databases.superuser(CELADOR)?;
    let insert = client.prepare("INSERT INTO members VALUES ($1, $2) ON CONFLICT DO NOTHING")?;
    let delete = client.prepare("DELETE FROM members WHERE user_id = $1 AND group_id = $2")?;
    let pause = Duration::from_secs(1) / CHANGES;
    let (mut shares, mut made) = (Vec::new(), 0);
    for round in 0..busy.rounds {
        thread::sleep(busy.time / 4);
        let before = executed.load(Ordering::Relaxed);
        thread::sleep(busy.time);
        let without = executed.load(Ordering::Relaxed) - before;

        let (before, begin) = (executed.load(Ordering::Relaxed), Instant::now());
        for change in 0.. {
            let due = pause * change;
            if due >= busy.time {
                break;
            }
            thread::sleep(due.saturating_sub(begin.elapsed()));
            // Each membership comes, and goes with the next change.
            let user = 1 + (round as i32 * 7919 + change as i32 / 2 * 31) % staff.users;
            let statement = if change % 2 == 0 { &insert } else { &delete };
            made += client.execute(statement, &[&user, &(staff.groups + 1)])?;
        }
        thread::sleep(busy.time.saturating_sub(begin.elapsed()));
        let with = executed.load(Ordering::Relaxed) - before;
        let slower = busy.time.as_secs_f64() / begin.elapsed().as_secs_f64();
        shares.push(with as f64 * slower / without.max(1) as f64);
    }
    let seconds = busy.time.as_secs_f64() * busy.rounds as f64;
    Ok((shares, made as f64 / seconds))
}
