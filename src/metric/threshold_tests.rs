//! Tests of thresholds: their grammar, their error texts, their judgement.

use super::*;
