use strongroom_model::Random;

/// The cryptographic random number generator of aws-lc, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        while aws_lc_rs::rand::fill(bytes).is_err() {
            std::thread::yield_now();
        }
    }
}
