use std::path::{Path, PathBuf};

use serde_json::json;

use crate::Outcome;
use crate::ours::{self, Tls};
use crate::plan::Plan;
use crate::report::{Journal, spread};
use crate::{crypto, hidden, many, reads, regions, writes};

/// Measures everything in one run and prints tables.
pub(crate) fn whole(plan: Plan) -> Outcome<()> {
    within_directory(|directory| async move {
        let mut journal = Journal::create(plan.json.as_deref())?;
        reads::against_floors(&plan, &mut journal, &directory.join("plain"), None).await?;
        if plan.tls {
            let tls = Tls::create(&directory)?;
            let place = directory.join("tls");
            reads::against_floors(&plan, &mut journal, &place, Some(&tls)).await?;
        } else {
            println!("\nTLS was left out of this run.");
        }
        crypto::against_floor(&plan, &mut journal, &directory.join("crypto")).await?;
        writes::against_disk(&plan, &mut journal, &directory.join("writes")).await?;
        starts(&plan, &mut journal, &directory)
    })
}

/// Measures Encrypt, Decrypt and Sign alone.
pub(crate) fn crypto(plan: Plan) -> Outcome<()> {
    within_directory(|directory| async move {
        let mut journal = Journal::create(plan.json.as_deref())?;
        crypto::against_floor(&plan, &mut journal, &directory.join("crypto")).await
    })
}

/// Measures a vault of many secrets beside one of few.
pub(crate) fn many(plan: Plan) -> Outcome<()> {
    within_directory(|directory| async move {
        let mut journal = Journal::create(plan.json.as_deref())?;
        many::beside_few(&plan, &mut journal, &directory).await
    })
}

/// Measures whether hidden secrets can be told from absent ones.
pub(crate) fn hidden(plan: Plan) -> Outcome<()> {
    within_directory(|directory| async move {
        let mut journal = Journal::create(plan.json.as_deref())?;
        hidden::from_absent(&plan, &mut journal, &directory.join("hidden")).await
    })
}

/// Measures reads from another region beside reads of a replica.
pub(crate) fn regions(plan: Plan) -> Outcome<()> {
    within_directory(|directory| async move {
        let mut journal = Journal::create(plan.json.as_deref())?;
        regions::across(&plan, &mut journal, &directory).await
    })
}

/// Measures the floors alone, without the server.
pub(crate) fn floors(plan: Plan) -> Outcome<()> {
    within_directory(|directory| async move {
        let mut journal = Journal::create(plan.json.as_deref())?;
        reads::floors_alone(&plan, &mut journal, &directory.join("plain"), None).await?;
        let tls = Tls::create(&directory)?;
        reads::floors_alone(&plan, &mut journal, &directory.join("tls"), Some(&tls)).await
    })
}

/// Runs with a directory beside the program, which is on a disk where the temporary one may not be.
pub(crate) fn within_directory<F>(measure: impl FnOnce(PathBuf) -> F) -> Outcome<()>
where
    F: Future<Output = Outcome<()>>,
{
    if cfg!(debug_assertions) {
        eprintln!("warning: the floors are built without --release: no ratio below is a result");
    }
    let own = std::env::current_exe()?;
    let directory = own.with_file_name(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(measure(directory.clone()));
    let removed = std::fs::remove_dir_all(&directory);
    outcome?;
    Ok(removed?)
}

fn starts(plan: &Plan, journal: &mut Journal, directory: &Path) -> Outcome<()> {
    let mut starts = Vec::with_capacity(plan.starts);
    for number in 0..plan.starts {
        let secs = ours::start_secs(&directory.join(format!("start-{number}")))?;
        journal.line(&json!({"measure": "start", "round": number, "secs": secs}))?;
        starts.push(secs);
    }
    let (median, low, high) = spread(starts.into_iter());
    println!("\n`dev` in an empty directory is ready after {median:.3} s ({low:.3}–{high:.3}).");
    Ok(())
}
