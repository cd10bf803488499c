use strongroom_model::{Ocid, Tags};

use super::tags;
use crate::error::Refusal;
use crate::fields::{Fields, Text};

const COMPARTMENT_NAME: Text = Text::Name(100);

/// What `CreateCompartment` asks for.
#[derive(Debug)]
pub struct CreateCompartmentDetails {
    /// `compartmentId`, the parent.
    pub compartment_id: Ocid,
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: String,
    /// `freeformTags` and `definedTags`.
    pub tags: Tags,
}

impl CreateCompartmentDetails {
    /// Reads the body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and the rule.
    pub fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let details = Self {
            compartment_id: fields.required_ocid("compartmentId")?,
            name: fields.required_text("name", COMPARTMENT_NAME)?,
            description: fields.required_text("description", Text::Printable(400))?,
            tags: tags(&mut fields)?,
        };
        fields.finish("compartmentId, name, description, freeformTags, definedTags")?;
        Ok(details)
    }
}
