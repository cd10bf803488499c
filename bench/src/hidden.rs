//! Secrets that are hidden from the caller beside secrets that are not there: whether the time until
//! the 404 tells one from the other.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use strongroom_signing::PrivateKey;

use crate::Outcome;
use crate::load::Connection;
use crate::ours::Ours;
use crate::plan::Plan;
use crate::report::{Journal, spread};
use crate::requests::{Identity, signed_for};

/// Secrets, and as many identifiers of none.
const SECRETS: usize = 500;
/// How often each is asked for in a round, for each second that a round of others takes: with 2
/// seconds, 20,000 requests in all.
const TIMES_PER_SEC: f64 = 10.0;

/// What a request asks for. The two halves of the hidden ones are the control: they do not differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hidden(bool),
    Absent,
}

/// A request with the time until its answer, in nanoseconds.
type Timed = (Kind, u64);

/// Asks for hidden and absent secrets in random order over one connection.
pub(crate) async fn from_absent(
    plan: &Plan,
    journal: &mut Journal,
    directory: &Path,
) -> Outcome<()> {
    let ours = Ours::start(directory, None).await?;
    let stranger = stranger(&ours).await?;
    let count = SECRETS.min(plan.secrets);
    let hidden = ours.secrets(0..count).await?;
    println!("\nGetSecret by a user without rights, {count} secrets that are hidden and as many");
    let times = (plan.secs * TIMES_PER_SEC).max(1.0) as usize;
    println!("identifiers of none, {times} times each in random order, one connection:\n");
    println!(
        "| round | hidden p50 µs | absent p50 µs | hidden slower than absent | half of the hidden slower than the other |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let (mut parted, mut controls) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let answers = measure(&ours, &stranger, (&hidden, times), round as u64).await?;
        let of = |wanted: fn(Kind) -> bool| -> Vec<u64> {
            answers.iter().filter(|(kind, _)| wanted(*kind)).map(|(_, time)| *time).collect()
        };
        let (all, absent) = (of(|kind| kind != Kind::Absent), of(|kind| kind == Kind::Absent));
        let halves =
            (of(|kind| kind == Kind::Hidden(true)), of(|kind| kind == Kind::Hidden(false)));
        let (part, control) = (slower(&all, &absent), slower(&halves.0, &halves.1));
        let (first, second) = (median_us(&all), median_us(&absent));
        println!(
            "| {round} | {first:.1} | {second:.1} | {:.1} % | {:.1} % |",
            part * 100.0,
            control * 100.0
        );
        journal.line(&json!({
            "measure": "hidden", "round": round, "requests": answers.len(), "hidden_p50_us": first,
            "absent_p50_us": second, "slower": part, "control": control,
        }))?;
        parted.push(part);
        controls.push(control);
    }
    let (median, low, high) = spread(parted.into_iter());
    let (control, control_low, control_high) = spread(controls.into_iter());
    println!(
        "\nA hidden one took longer than an absent one in **{:.1} %** of all pairs ({:.1}–{:.1}); \
         two halves of the hidden ones, which do not differ: {:.1} % ({:.1}–{:.1}). 50 % tells nothing.",
        median * 100.0,
        low * 100.0,
        high * 100.0,
        control * 100.0,
        control_low * 100.0,
        control_high * 100.0,
    );
    ours.end().map(|_counts| ())
}

/// Makes a user without any right.
async fn stranger(ours: &Ours) -> Outcome<Arc<Identity>> {
    let user = json!({"compartmentId": ours.tenancy(), "name": "stranger", "description": "d"});
    let user = ours.made("/20160918/users", &user).await?;
    let key = PrivateKey::generate()?;
    let public = key.public()?;
    ours.upload_key(&user, &public.to_pem()).await?;
    let key_id = format!("{}/{user}/{}", ours.tenancy(), public.fingerprint());
    Ok(Arc::new(Identity { key_id, key }))
}

async fn measure(
    ours: &Ours,
    stranger: &Arc<Identity>,
    (hidden, times): (&[String], usize),
    round: u64,
) -> Outcome<Vec<Timed>> {
    let absent = hidden.iter().enumerate().map(|(number, id)| sibling(id, number));
    let all: Vec<String> = hidden.iter().cloned().chain(absent).collect();
    let targets = all.iter().map(|id| format!("/20180608/secrets/{id}")).collect();
    let requests = signed_for(stranger, targets, ours.place.port).await?;
    let kind = |number: usize| match number {
        _ if number >= hidden.len() => Kind::Absent,
        _ => Kind::Hidden(number.is_multiple_of(2)),
    };
    let mut connection = ours.place.connect().await?;
    // Everything is asked for once before it counts.
    for request in &requests {
        timed(&mut connection, request).await?;
    }
    let mut order: Vec<usize> = (0..requests.len() * times).map(|n| n % requests.len()).collect();
    shuffle(&mut order, round);
    let mut taken = Vec::with_capacity(order.len());
    for number in order {
        let request = requests.get(number).ok_or("no request")?;
        taken.push((kind(number), timed(&mut connection, request).await?));
    }
    Ok(taken)
}

async fn timed(connection: &mut Connection, request: &[u8]) -> Outcome<u64> {
    let began = Instant::now();
    let status = connection.status(request).await?;
    let nanoseconds = u64::try_from(began.elapsed().as_nanos())?;
    if status == 404 { Ok(nanoseconds) } else { Err(format!("answered {status}").into()) }
}

/// An identifier of the same form that names nothing.
fn sibling(id: &str, number: usize) -> String {
    let ending: String =
        format!("{number:06}").bytes().map(|digit| char::from(digit + 49)).collect();
    let kept = id.len().saturating_sub(ending.len());
    format!("{}{ending}", id.get(..kept).unwrap_or_default())
}

/// Puts numbers into an order that the round determines (Fisher and Yates; xorshift64).
fn shuffle(order: &mut [usize], round: u64) {
    let mut state = round.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for last in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(last, (state % (last as u64 + 1)) as usize);
    }
}

/// The part of all pairs in which one of `first` is slower than one of `second`; ties count half
/// (the statistic of Mann and Whitney).
fn slower(first: &[u64], second: &[u64]) -> f64 {
    let mut all: Vec<(u64, bool)> = first.iter().map(|time| (*time, true)).collect();
    all.extend(second.iter().map(|time| (*time, false)));
    all.sort_unstable();
    let (mut ranks, mut before) = (0.0, 0.0);
    for ties in all.chunk_by(|a, b| a.0 == b.0) {
        let rank = before + f64::midpoint(ties.len() as f64, 1.0);
        ranks += rank * ties.iter().filter(|(_, of_first)| *of_first).count() as f64;
        before += ties.len() as f64;
    }
    let (n, m) = (first.len() as f64, second.len() as f64);
    (ranks - n * (n + 1.0) / 2.0) / (n * m)
}

fn median_us(times: &[u64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_pairs_is_no_difference() {
        let same = [1, 2, 3, 4];
        assert!((slower(&same, &same) - 0.5).abs() < 1e-9);
        assert!((slower(&[5, 6], &[1, 2]) - 1.0).abs() < 1e-9);
        assert!((slower(&[1, 2], &[5, 6, 7])).abs() < 1e-9);
        let mut order: Vec<usize> = (0..100).collect();
        shuffle(&mut order, 7);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
