/// A realm: a set of regions that share identities and a domain.
#[derive(Debug, PartialEq, Eq)]
pub struct Realm {
    /// The realm's key, `oc1`.
    pub key: &'static str,
    /// The second-level domain of its endpoints, `oraclecloud.com`.
    pub domain: &'static str,
}

/// A region of Oracle's cloud.
///
/// Source: region table of the OCI Python SDK 2.189.0.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    /// The region identifier, `us-ashburn-1`.
    pub name: &'static str,
    /// The region key, `iad`.
    pub key: &'static str,
    /// The realm that the region belongs to.
    pub realm: &'static Realm,
}

impl Region {
    /// Every region, grouped by realm.
    pub const ALL: &'static [Self] = REGIONS;

    /// Finds a region by identifier or key, compared without case.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let matches = |region: &&Self| {
            region.name.eq_ignore_ascii_case(name) || region.key.eq_ignore_ascii_case(name)
        };
        Self::ALL.iter().find(matches)
    }
}

const fn region(name: &'static str, key: &'static str, realm: &'static Realm) -> Region {
    Region { name, key, realm }
}

const OC1: &Realm = &Realm { key: "oc1", domain: "oraclecloud.com" };
const OC2: &Realm = &Realm { key: "oc2", domain: "oraclegovcloud.com" };
const OC3: &Realm = &Realm { key: "oc3", domain: "oraclegovcloud.com" };
const OC4: &Realm = &Realm { key: "oc4", domain: "oraclegovcloud.uk" };
const OC8: &Realm = &Realm { key: "oc8", domain: "oraclecloud8.com" };
const OC9: &Realm = &Realm { key: "oc9", domain: "oraclecloud9.com" };
const OC10: &Realm = &Realm { key: "oc10", domain: "oraclecloud10.com" };
const OC14: &Realm = &Realm { key: "oc14", domain: "oraclecloud14.com" };
const OC15: &Realm = &Realm { key: "oc15", domain: "oraclecloud15.com" };
const OC19: &Realm = &Realm { key: "oc19", domain: "oraclecloud.eu" };
const OC20: &Realm = &Realm { key: "oc20", domain: "oraclecloud20.com" };
const OC21: &Realm = &Realm { key: "oc21", domain: "oraclecloud21.com" };
const OC23: &Realm = &Realm { key: "oc23", domain: "oraclecloud23.com" };
const OC24: &Realm = &Realm { key: "oc24", domain: "oraclecloud24.com" };
const OC26: &Realm = &Realm { key: "oc26", domain: "oraclecloud26.com" };
const OC29: &Realm = &Realm { key: "oc29", domain: "oraclecloud29.com" };
const OC35: &Realm = &Realm { key: "oc35", domain: "oraclecloud35.com" };
const OC42: &Realm = &Realm { key: "oc42", domain: "oraclecloud42.com" };
const OC51: &Realm = &Realm { key: "oc51", domain: "oraclecloud51.com" };
const OC52: &Realm = &Realm { key: "oc52", domain: "oraclecloud52.com" };

const REGIONS: &[Region] = &[
    region("ap-chuncheon-1", "yny", OC1),
    region("ap-hyderabad-1", "hyd", OC1),
    region("ap-melbourne-1", "mel", OC1),
    region("ap-mumbai-1", "bom", OC1),
    region("ap-osaka-1", "kix", OC1),
    region("ap-seoul-1", "icn", OC1),
    region("ap-sydney-1", "syd", OC1),
    region("ap-tokyo-1", "nrt", OC1),
    region("ca-montreal-1", "yul", OC1),
    region("ca-toronto-1", "yyz", OC1),
    region("eu-amsterdam-1", "ams", OC1),
    region("eu-frankfurt-1", "fra", OC1),
    region("eu-zurich-1", "zrh", OC1),
    region("me-jeddah-1", "jed", OC1),
    region("me-dubai-1", "dxb", OC1),
    region("sa-saopaulo-1", "gru", OC1),
    region("uk-cardiff-1", "cwl", OC1),
    region("uk-london-1", "lhr", OC1),
    region("us-ashburn-1", "iad", OC1),
    region("us-phoenix-1", "phx", OC1),
    region("us-sanjose-1", "sjc", OC1),
    region("sa-vinhedo-1", "vcp", OC1),
    region("sa-santiago-1", "scl", OC1),
    region("il-jerusalem-1", "mtz", OC1),
    region("eu-marseille-1", "mrs", OC1),
    region("ap-singapore-1", "sin", OC1),
    region("me-abudhabi-1", "auh", OC1),
    region("eu-milan-1", "lin", OC1),
    region("eu-stockholm-1", "arn", OC1),
    region("af-johannesburg-1", "jnb", OC1),
    region("eu-paris-1", "cdg", OC1),
    region("mx-queretaro-1", "qro", OC1),
    region("eu-madrid-1", "mad", OC1),
    region("us-chicago-1", "ord", OC1),
    region("mx-monterrey-1", "mty", OC1),
    region("us-saltlake-2", "aga", OC1),
    region("sa-bogota-1", "bog", OC1),
    region("sa-valparaiso-1", "vap", OC1),
    region("ap-singapore-2", "xsp", OC1),
    region("me-riyadh-1", "ruh", OC1),
    region("ap-delhi-1", "onm", OC1),
    region("ap-batam-1", "hsg", OC1),
    region("eu-madrid-3", "orf", OC1),
    region("eu-turin-1", "nrq", OC1),
    region("ap-kulai-2", "jbp", OC1),
    region("af-casablanca-1", "lej", OC1),
    region("us-langley-1", "lfi", OC2),
    region("us-luke-1", "luf", OC2),
    region("us-gov-ashburn-1", "ric", OC3),
    region("us-gov-chicago-1", "pia", OC3),
    region("us-gov-phoenix-1", "tus", OC3),
    region("uk-gov-london-1", "ltn", OC4),
    region("uk-gov-cardiff-1", "brs", OC4),
    region("ap-chiyoda-1", "nja", OC8),
    region("ap-ibaraki-1", "ukb", OC8),
    region("me-dcc-muscat-1", "mct", OC9),
    region("me-ibri-1", "ibr", OC9),
    region("ap-dcc-canberra-1", "wga", OC10),
    region("eu-dcc-milan-1", "bgy", OC14),
    region("eu-dcc-milan-2", "mxp", OC14),
    region("eu-dcc-dublin-2", "snn", OC14),
    region("eu-dcc-rating-2", "dtm", OC14),
    region("eu-dcc-rating-1", "dus", OC14),
    region("eu-dcc-dublin-1", "ork", OC14),
    region("ap-dcc-gazipur-1", "dac", OC15),
    region("eu-madrid-2", "vll", OC19),
    region("eu-frankfurt-2", "str", OC19),
    region("eu-jovanovac-1", "beg", OC20),
    region("me-dcc-doha-1", "doh", OC21),
    region("me-alrayyan-1", "vve", OC21),
    region("us-somerset-1", "ebb", OC23),
    region("us-thames-1", "ebl", OC23),
    region("eu-dcc-zurich-1", "avz", OC24),
    region("eu-crissier-1", "avf", OC24),
    region("me-abudhabi-3", "ahu", OC26),
    region("me-alain-1", "rba", OC26),
    region("me-abudhabi-2", "rkt", OC29),
    region("me-abudhabi-4", "shj", OC29),
    region("ap-seoul-2", "dtz", OC35),
    region("ap-suwon-1", "dln", OC35),
    region("ap-chuncheon-2", "bno", OC35),
    region("us-ashburn-2", "yxj", OC42),
    region("us-newark-1", "pgc", OC42),
    region("eu-budapest-1", "jsk", OC51),
    region("sa-riodejaneiro-1", "hnw", OC52),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_name_and_key() {
        let ashburn = Region::named("IAD").unwrap();
        assert_eq!((ashburn.name, ashburn.realm.domain), ("us-ashburn-1", "oraclecloud.com"));
        assert_eq!(Region::named("mars-north-1"), None);
        assert_eq!(Region::ALL.len(), 85);
    }
}
