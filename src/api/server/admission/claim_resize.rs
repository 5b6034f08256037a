//! Plug-in PersistentVolumeClaimResize: a claim grows only if its class says so.
//!
//! Follows `plugin/pkg/admission/storage/persistentvolume/resize/admission.go`.

use super::Server;
use crate::api::{Name, PersistentVolumeClaim};

impl Server {
    /// Checks whether a claim may ask for more than before.
    pub(in crate::api::server) fn check_claim_growth(
        &self,
        before: &PersistentVolumeClaim,
        claim: &PersistentVolumeClaim,
    ) -> Result<(), &'static str> {
        if claim.requests.storage() <= before.requests.storage() {
            return Ok(());
        }
        if before.phase != "Bound" {
            return Err("Only bound persistent volume claims can be expanded");
        }
        let class = claim.storage_class.filter(|class| !class.is_empty() && before.storage_class == Some(*class));
        let class = class.and_then(|class| self.store.storage_classes.find(Name::default(), class));
        if class.is_some_and(|class| class.allows_expansion) {
            return Ok(());
        }
        Err(
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support \
             resize",
        )
    }
}
