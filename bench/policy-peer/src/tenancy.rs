use strongroom_model::Ocid;

use crate::Outcome;

/// How the statements beyond the first ten are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// For other groups, a tenth of them in the compartment that is asked about.
    Others,
    /// The same, and the caller is in as many groups as Oracle allows.
    Member,
    /// For the caller's group in the compartment that is asked about, for other secrets.
    Own,
}

impl Shape {
    pub(crate) const ALL: [Self; 3] = [Self::Others, Self::Member, Self::Own];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Others => "The added statements are for other groups or other compartments",
            Self::Member => "The same for a user in 250 groups",
            Self::Own => "The worst case: every statement is for the caller and the place",
        }
    }
}

/// `group <group> may read secret-family in <compartment> where the name begins so`.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) group: usize,
    pub(crate) compartment: usize,
    pub(crate) begins: String,
}

/// A user of some groups reads a bundle.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) groups: Vec<usize>,
    pub(crate) compartment: usize,
    pub(crate) secret: String,
    pub(crate) allowed: bool,
}

/// Compartments in chains of three below the root: 0 holds 1, 1 holds 2, 3 holds 4, ….
#[derive(Debug)]
pub(crate) struct Tenancy {
    pub(crate) compartments: usize,
    pub(crate) groups: usize,
    pub(crate) grants: Vec<Grant>,
    pub(crate) requests: Vec<Request>,
}

/// The caller is in the first groups, of which statements name the first three.
const OWN: usize = 3;
/// As many groups as Oracle lets a user be in; the added statements are for others.
const OWN_MAX: usize = 250;
/// Where the secrets are that are asked for: the end of the first chain.
const PLACE: usize = 2;

impl Tenancy {
    pub(crate) fn new(shape: Shape, statements: usize) -> Self {
        let (compartments, groups) = (300, 1_000);
        let own: Vec<usize> = (0..if shape == Shape::Member { OWN_MAX } else { OWN }).collect();
        let grants = (0..statements).map(|number| grant(shape, number, compartments, groups));
        let request = |groups: &[usize], compartment, secret: String, allowed| Request {
            groups: groups.to_vec(),
            compartment,
            secret,
            allowed,
        };
        let requests = (0..10)
            .flat_map(|number| {
                [
                    request(&own, PLACE, format!("db-{number}-password"), true),
                    request(&own, PLACE, format!("web-{number}-password"), false),
                    request(&own, PLACE + 3, format!("db-{number}-password"), false),
                    request(&[groups], PLACE, format!("db-{number}-password"), false),
                ]
            })
            .collect();
        Self { compartments, groups, grants: grants.collect(), requests }
    }
}

/// The first ten are the caller's and grant what is asked for at every level of the chain.
fn grant(shape: Shape, number: usize, compartments: usize, groups: usize) -> Grant {
    if number < 10 {
        let begins = format!("db-{number}-");
        return Grant { group: number % OWN, compartment: number % (PLACE + 1), begins };
    }
    let begins = format!("app-{number}-");
    match shape {
        Shape::Others | Shape::Member => {
            let compartment =
                if number.is_multiple_of(10) { PLACE } else { 6 + number % (compartments - 6) };
            Grant { group: OWN_MAX + number % (groups - OWN_MAX), compartment, begins }
        }
        Shape::Own => Grant { group: 0, compartment: PLACE, begins },
    }
}

/// An identifier as long as Oracle's.
pub(crate) fn ocid(kind: &str, number: usize) -> Outcome<Ocid> {
    Ok(format!("ocid1.{kind}.oc1..aaaaaaaaaa{number:0>50}").parse()?)
}
