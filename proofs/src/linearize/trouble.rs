//! What goes wrong while clients are at work.

use std::thread::sleep;
use std::time::{Duration, Instant};

use strongroom_testkit::Dice;

use crate::Outcome;
use crate::cluster::Cluster;

/// A failure of a machine, a program or the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Nothing,
    /// A node is killed with SIGKILL and started again.
    NodeKilled,
    /// The primary is killed with SIGKILL, its standby promoted; then the old primary is back.
    PrimaryKilled,
    /// A node and the primary do not hear each other.
    NodeParted,
    /// A node hears nobody.
    NodeCutOff,
    /// The primary hears nobody, its standby is promoted; then the old primary, which ran on, is back.
    PrimaryCutOff,
}

impl Trouble {
    /// All that can be made to happen.
    pub(crate) const fn all(parts: bool) -> &'static [Self] {
        use Trouble::{NodeCutOff, NodeKilled, NodeParted, Nothing, PrimaryCutOff, PrimaryKilled};
        if parts {
            &[PrimaryKilled, NodeParted, PrimaryCutOff, NodeKilled, NodeCutOff, Nothing]
        } else {
            &[PrimaryKilled, NodeKilled, Nothing]
        }
    }

    /// Makes it happen and go away again; returns when the primary was lost, if it was.
    pub(crate) fn strike(self, cluster: &mut Cluster, dice: &mut Dice) -> Outcome<Option<Instant>> {
        let which = dice.roll(cluster.nodes.len());
        let node = cluster.nodes.get_mut(which).ok_or("there is no node")?;
        let [primary, _] = &cluster.databases;
        match self {
            Self::Nothing => sleep(Duration::from_secs(2)),
            Self::NodeKilled => {
                node.kill()?;
                sleep(Duration::from_millis(300));
                node.start()?;
            }
            Self::NodeParted => {
                node.machine.part_from(&primary.machine, true)?;
                sleep(Duration::from_secs(4));
                node.machine.part_from(&primary.machine, false)?;
            }
            Self::NodeCutOff => {
                node.machine.cut_off(true)?;
                sleep(Duration::from_secs(4));
                node.machine.cut_off(false)?;
            }
            Self::PrimaryKilled => {
                let lost = Instant::now();
                primary.kill()?;
                cluster.promote()?;
                sleep(Duration::from_secs(3));
                let [_, old] = &cluster.databases;
                old.start()?;
                sleep(Duration::from_secs(2));
                old.kill()?;
                return Ok(Some(lost));
            }
            Self::PrimaryCutOff => {
                let lost = Instant::now();
                primary.machine.cut_off(true)?;
                cluster.promote()?;
                sleep(Duration::from_secs(6));
                let [_, old] = &cluster.databases;
                old.machine.cut_off(false)?;
                sleep(Duration::from_secs(2));
                old.kill()?;
                return Ok(Some(lost));
            }
        }
        Ok(None)
    }
}
