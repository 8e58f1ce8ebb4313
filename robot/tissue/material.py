"""What tissue is made of: stiffness, density, damping and the stretch at which it tears."""

from __future__ import annotations

import math
from dataclasses import dataclass

from halsted.robot.tissue.errors import TissueError


@dataclass(frozen=True)
class Material:
    """An isotropic neo-Hookean solid, SI units.

    The defaults are those of a soft organ in order of magnitude; they are not fitted to a
    measurement.

    Attributes:
        young_pa: Young's modulus at small strain, Pa.
        poisson: Poisson's ratio at small strain, 0 to 0.49; linear tetrahedra lock above.
        density: Mass per volume at rest, kg/m^3.
        damping: Rate at which velocity decays, 1/s: a drag against the world, as of the fluid and
            loose tissue around, and no viscosity of the tissue itself.
        tear_stretch: Largest principal stretch (length over rest length) that holds; infinite for
            tissue that never tears.
    """

    young_pa: float = 10_000.0
    poisson: float = 0.45
    density: float = 1_000.0
    damping: float = 5.0
    tear_stretch: float = 2.0

    def __post_init__(self) -> None:
        limits = {
            "young_pa": (1.0, 1e9),
            "poisson": (0.0, 0.49),
            "density": (1.0, 1e5),
            "damping": (0.0, 1e4),
            "tear_stretch": (1.0, math.inf),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise TissueError(
                    f"{name} of the material is {value}, but must lie between {least:g} and "
                    f"{most:g}"
                )

    @property
    def mu(self) -> float:
        """The first coefficient of the energy, Lame's shear modulus, Pa."""
        return self.young_pa / (2.0 * (1.0 + self.poisson))

    @property
    def bulk(self) -> float:
        """The second coefficient of the energy, Pa.

        Lame's second parameter plus mu: so the energy of `elasticity` has the wanted Young's
        modulus and Poisson's ratio at small strain (Smith, de Goes and Kim 2018, "Stable
        neo-Hookean flesh simulation", section 3.4, doi:10.1145/3180491).
        """
        lame = 2.0 * self.mu * self.poisson / (1.0 - 2.0 * self.poisson)
        return lame + self.mu
