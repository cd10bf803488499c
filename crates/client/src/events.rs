//! The audit log.

use serde_json::Value;
use strongroom_model::{Timestamp, rfc3339};

use crate::client::Client;
use crate::endpoint::Service;
use crate::error::ClientError;

impl Client {
    /// Lists the audit events of a compartment in a span of time, without its end (`ListEvents`), as
    /// they are answered.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn events(
        &self,
        compartment_id: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<Value>, ClientError> {
        let parameters = vec![
            ("compartmentId", compartment_id.to_owned()),
            ("startTime", rfc3339(start)),
            ("endTime", rfc3339(end)),
        ];
        self.all_pages(Service::Audit, "/20190901/auditEvents", parameters, "ListEvents").await
    }
}
