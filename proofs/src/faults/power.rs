//! Power cuts: the server is killed while it writes, and its disk forgets what was not synced.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use strongroom_rig::{Node, Outcome, Tenant};
use strongroom_testkit::Dice;

use super::writers::{Tally, write_until};
use crate::options::Options;

const CUTS: u64 = 100;
const SMOKE_CUTS: u64 = 3;

/// Cuts the power, starts again and compares.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let (first, count) = (options.first(), options.count(SMOKE_CUTS, CUTS));
    let mut dice = Dice::new(Some(first));
    let place = tempfile::tempdir()?;
    let mut disk = Disk::mount(place.path())?;
    let own = tempfile::tempdir()?;
    let mut node = Node::of_this_machine(own.path(), &place.path().join("data"))?;
    // What `init` made is to outlive a cut right after it.
    let printed = node.init()?;
    disk.cut(&mut dice)?;
    node.start()?;
    let tenant = Tenant::furnish(&mut node.client(), &printed)?;
    let mut tally = Tally::default();
    for run in 0..count {
        let pause = Duration::from_millis(20 + u64::try_from(dice.roll(400))?);
        let address = node.address();
        let written = write_until((&tenant, address), run, pause, || node.kill())?;
        disk.cut(&mut dice)?;
        node.start()?;
        tally.compare(&tenant, &mut node.client(), &written.told)?;
        tally.note(written);
    }
    let everything = tally.told.clone();
    tally.compare(&tenant, &mut node.client(), &everything)?;
    node.kill()?;
    let syncs = disk.end()?;
    tally.end(&format!("faults power: {count} cuts on SQLite from seed {first}, {syncs} syncs"))
}

/// A program that is a disk, mounted in memory.
struct Disk {
    process: Child,
    /// Ends it, when closed.
    told: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
    syncs: u64,
}

impl Disk {
    fn mount(place: &Path) -> Outcome<Self> {
        let program = std::env::current_exe()?.with_file_name("strongroom-disk");
        let mut command = Command::new(&program);
        let piped = command.arg(place).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = piped.spawn().map_err(|why| format!("{}: {why}", program.display()))?;
        let told = process.stdin.take();
        let says = BufReader::new(process.stdout.take().ok_or("the disk has no output")?);
        let mut disk = Self { process, told, says, syncs: 0 };
        disk.wait()?;
        Ok(disk)
    }

    /// Takes the power away, and mounts what is left.
    fn cut(&mut self, dice: &mut Dice) -> Outcome<()> {
        let told = self.told.as_mut().ok_or("the disk has no input")?;
        writeln!(told, "cut {}", dice.roll(1 << 30))?;
        self.wait()
    }

    fn wait(&mut self) -> Outcome<()> {
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        let number = line.trim().strip_prefix("ready ").ok_or("the disk failed")?;
        self.syncs = number.parse()?;
        Ok(())
    }

    /// Unmounts it, and returns how often it was synced.
    fn end(mut self) -> Outcome<u64> {
        drop(self.told.take());
        let status = self.process.wait()?;
        if status.success() { Ok(self.syncs) } else { Err("the disk failed".into()) }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.told.take());
        if let Err(error) = self.process.wait() {
            eprintln!("the disk was not ended: {error}");
        }
    }
}
