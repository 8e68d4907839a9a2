/// What a card states about a map f with Jacobian J at normal images x. x̂ is a corrupted copy of x, e = x̂ - x, S the corrupted
/// region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quantity {
    /// Root mean square of f(x) - x over all values.
    Residual,
    /// ‖f(f(x̂)) - f(x̂)‖ / ‖e‖.
    Idempotence,
    /// ‖f(x̂) - x‖ / ‖e‖.
    Error,
    /// ‖f(x̂) - x‖ on S / ‖e‖.
    ErrorOn,
    /// ‖f(x̂) - x̂‖ on S / ‖e‖.
    ChangeOn,
    /// ‖f(x̂) - x̂‖ off S / ‖e‖.
    ChangeOff,
    /// tr J.
    Trace,
    /// ‖J‖_F².
    Frobenius,
    /// ‖J - Jᵀ‖_F.
    Asymmetry,
    /// ‖J² - J‖_F.
    IdempotenceJacobian,
    /// Mean of the principal angles between the d leading left singular vectors of J and the tangent space at x, in degrees.
    TangentAngle,
    /// ‖J - P_T‖_F with the orthogonal projector P_T onto the tangent space at x.
    TangentProjector,
    /// ‖J - T(TᵀC⁻¹T)⁻¹TᵀC⁻¹‖_F with the second moment C of e (Theorem A).
    ObliqueProjector,
}

impl Quantity {
    /// All, in the order of a card.
    pub const ALL: [Self; 13] = [
        Self::Residual,
        Self::Idempotence,
        Self::Error,
        Self::ErrorOn,
        Self::ChangeOn,
        Self::ChangeOff,
        Self::Trace,
        Self::Frobenius,
        Self::Asymmetry,
        Self::IdempotenceJacobian,
        Self::TangentAngle,
        Self::TangentProjector,
        Self::ObliqueProjector,
    ];

    /// Whether it is the root of a mean of squares over the images. The others are means.
    pub(super) fn is_root(self) -> bool {
        !matches!(self, Self::Trace | Self::Frobenius | Self::TangentAngle)
    }

    /// Whether it needs more than values of f.
    pub fn needs_derivatives(self) -> bool {
        self as usize >= Self::Trace as usize
    }

    /// Key in `audit.json`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Residual => "residual",
            Self::Idempotence => "idempotence",
            Self::Error => "error",
            Self::ErrorOn => "error_on",
            Self::ChangeOn => "change_on",
            Self::ChangeOff => "change_off",
            Self::Trace => "trace",
            Self::Frobenius => "frobenius",
            Self::Asymmetry => "asymmetry",
            Self::IdempotenceJacobian => "idempotence_jacobian",
            Self::TangentAngle => "tangent_angle",
            Self::TangentProjector => "tangent_projector_distance",
            Self::ObliqueProjector => "oblique_projector_distance",
        }
    }

    /// The equation.
    pub fn symbols(self) -> &'static str {
        match self {
            Self::Residual => "‖f(x)-x‖ / √n",
            Self::Idempotence => "‖f(f(x̂))-f(x̂)‖ / ‖e‖",
            Self::Error => "‖f(x̂)-x‖ / ‖e‖",
            Self::ErrorOn => "‖f(x̂)-x‖ on S / ‖e‖",
            Self::ChangeOn => "‖f(x̂)-x̂‖ on S / ‖e‖",
            Self::ChangeOff => "‖f(x̂)-x̂‖ off S / ‖e‖",
            Self::Trace => "tr J",
            Self::Frobenius => "‖J‖²",
            Self::Asymmetry => "‖J-Jᵀ‖",
            Self::IdempotenceJacobian => "‖J²-J‖",
            Self::TangentAngle => "angle of J to T, °",
            Self::TangentProjector => "‖J-P_T‖",
            Self::ObliqueProjector => "‖J-J*‖",
        }
    }

    /// What it says, and its value for an orthogonal projection π onto D.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Residual => "How much f changes a normal image, root mean square over all values. 0 for π.",
            Self::Idempotence => "How much f changes its own output. 0 for π.",
            Self::Error => {
                "How far the output is from the normal image. 1 for the identity. For π it is small, not 0: what e moves along D stays."
            }
            Self::ErrorOn => "How far it is on the corrupted region. Off the region the error is the change.",
            Self::ChangeOn => {
                "How much f changes the corrupted region. Near 1 if it is restored, but also if it is replaced by something else of that size."
            }
            Self::ChangeOff => "How much f changes the rest. 0 if it restores exactly.",
            Self::Trace => "The dimension d of D for π, n for the identity.",
            Self::Frobenius => "Also d for π. For an oblique projection it is larger than tr J.",
            Self::Asymmetry => "0 for π and for any symmetric J.",
            Self::IdempotenceJacobian => "0 for any projection, orthogonal or oblique.",
            Self::TangentAngle => "Mean angle between what f passes best and the directions along D. 0 for π.",
            Self::TangentProjector => "Distance to the Jacobian of π.",
            Self::ObliqueProjector => {
                "Distance to the Jacobian of the smooth map with the least squared error for small corruptions of this kind (Theorem A)."
            }
        }
    }
}
