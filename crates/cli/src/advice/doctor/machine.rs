use strongroom_advice::doctor::{Fault, Finding, Outcome};
use strongroom_client::probe::{self, ConnectFault};
use strongroom_client::{Authorities, BaseUrl};
use strongroom_model::{Clock, Ocid, Region, ResourcePrincipal, SystemClock};
use strongroom_signing::Certificate;

use super::examination::{Examination, failed};

impl Examination<'_> {
    /// The machine's metadata service: whether it answers, and for which region.
    pub(super) async fn metadata(&mut self) -> Outcome {
        let Some(ground) = &self.ground else { return Outcome::Skipped("settings") };
        let finder = ground.finder();
        let url = finder.metadata_url().to_owned();
        let base: BaseUrl = match url.parse() {
            Ok(base) => base,
            Err(error) => {
                let message = "OCI_METADATA_BASE_URL cannot be called";
                let finding = Finding::certain(Fault::MetadataUnreachable, message);
                return Outcome::Found(finding.because(error.to_string()));
            }
        };
        if let Err(fault) = reach(&base).await {
            return Outcome::Found(silent(&url, &fault));
        }
        let instance = match finder.machine(&Authorities::System.into()) {
            Ok(instance) => instance,
            Err(failure) => return failed(&failure),
        };
        match instance.region().await {
            Ok(region) => {
                let told = format!("{url} answers, region {}", region.region_identifier);
                self.region = Region::named(&region.region_identifier);
                self.home = Some(region);
                self.instance = Some(instance);
                Outcome::Passed(told)
            }
            Err(error) => Outcome::Found(nobody(&url, &error.to_string())),
        }
    }

    /// The machine's certificate: whose it is, and until when it is valid.
    pub(super) async fn certificate(&mut self) -> Outcome {
        let Some(instance) = &self.instance else { return Outcome::Skipped("metadata") };
        let pem = match instance.certificate().await {
            Ok(pem) => pem,
            Err(error) => {
                return Outcome::Found(nobody("the metadata service", &error.to_string()));
            }
        };
        let certificate = match Certificate::from_text(&pem) {
            Ok(certificate) => certificate,
            Err(error) => return Outcome::Found(nobody("the certificate", &error.to_string())),
        };
        self.machine = machine(&certificate);
        let until = certificate.not_after();
        if let Some(until) = until.filter(|until| *until <= SystemClock.now()) {
            let message = "this machine's certificate has run out";
            let finding = Finding::certain(Fault::MachineCertificateExpired, message)
                .because(format!("it was valid until {until}"))
                .fix("restart the metadata service (`strongroom imds`), which renews it");
            self.expired = Some(finding);
            return Outcome::Open(format!("it was valid until {until}, by this machine's clock"));
        }
        let of = self.machine.as_ref().map_or_else(
            || "it names no machine".to_owned(),
            |machine| format!("{} in {}", machine.id, machine.compartment_id),
        );
        let until = until.map(|until| format!(", valid until {until}")).unwrap_or_default();
        Outcome::Passed(format!("{of}{until}"))
    }
}

async fn reach(url: &BaseUrl) -> Result<(), ConnectFault> {
    let addresses = probe::addresses(&url.host_port()).await.map_err(ConnectFault::Other)?;
    probe::connect(&addresses).await.map(|_address| ())
}

fn silent(url: &str, fault: &ConnectFault) -> Finding {
    let why = match fault {
        ConnectFault::Refused => "nothing listens there".to_owned(),
        ConnectFault::TimedOut => "no answer came".to_owned(),
        ConnectFault::Other(why) => why.clone(),
    };
    let message = format!("the metadata service {url} does not answer");
    let fix = "on an instance of Oracle's cloud take OCI_METADATA_BASE_URL away; elsewhere enroll the \
               machine (`strongroom admin instance add`) and run `strongroom imds`, or sign with an \
               API key (--auth api_key)";
    Finding::certain(Fault::MetadataUnreachable, message).because(why).fix(fix)
}

fn nobody(what: &str, why: &str) -> Finding {
    let message = format!("{what} has no identity for this machine");
    Finding::certain(Fault::NoMachineIdentity, message)
        .because(why)
        .fix("see that the URL ends with /opc/v2, and that the service is of this machine")
}

/// Reads whose certificate it is.
fn machine(certificate: &Certificate) -> Option<ResourcePrincipal> {
    let id: Ocid = certificate.unit("opc-instance:").or(certificate.common_name())?.parse().ok()?;
    Some(ResourcePrincipal {
        resource_type: id.as_str().split('.').nth(1)?.to_owned(),
        compartment_id: certificate.unit("opc-compartment:")?.parse().ok()?,
        id,
        tags: std::collections::BTreeMap::new(),
        attributes: std::collections::BTreeMap::new(),
    })
}
