# SPDX-License-Identifier: Apache-2.0
"""What unit a server means: UNECE Recommendation 20 codes (Part 8, 5.6.4.3) as UCUM codes, for the usual ones."""

from __future__ import annotations

from functools import cache
from typing import Final

from isthmus.core import unit
from isthmus.core.errors import IsthmusError

_CODES: Final = """
C62 1, P1 %, 59 [ppm], H87 {piece}, Q30 [pH], 2N dB,
CEL Cel, FAH [degF], KEL K, H14 K/s, H13 K/min, H12 K/h, F12 K/s, F11 K/min, F10 K/h,
MTR m, DMT dm, CMT cm, MMT mm, 4H um, C45 nm, KMT km, KTM km, INH [in_i], FOT [ft_i], YRD [yd_i], SMI [mi_i],
NMI [nmi_i],
MTK m2, DMK dm2, CMK cm2, MMK mm2, KMK km2, HAR har, INK [sin_i], FTK [sft_i],
MTQ m3, DMQ dm3, CMQ cm3, MMQ mm3, LTR L, HLT hL, DLT dL, CLT cL, MLT mL, 4G uL, K6 kL, INQ [cin_i], FTQ [cft_i],
GLL [gal_us], GLI [gal_br], BLL [bbl_us],
SEC s, C26 ms, B98 us, C47 ns, MIN min, HUR h, DAY d, WEE wk, MON mo, ANN a,
C81 rad, C25 mrad, DD deg, 2A rad/s, 2B rad/s2, E96 deg/s, RPM /min, M46 /min, RPS /s, C94 /min, C97 /s, H10 /h,
MTS m/s, C16 mm/s, 2M cm/s, KMH km/h, 2X m/min, M60 m/h, H81 mm/min, H67 mm/h, FS [ft_i]/s, FR [ft_i]/min, HM [mi_i]/h,
KNT [kn_i], MSK m/s2,
HTZ Hz, KHZ kHz, MHZ MHz, A86 GHz,
KGM kg, GRM g, MGM mg, MC ug, TNE t, 2U Mg, KTN kt, LBR [lb_av], ONZ [oz_av], STN [ston_av], LTN [lton_av],
KMQ kg/m3, 23 g/cm3, GL g/L, M1 mg/L, H29 ug/L, B35 kg/L, A93 g/m3, GP mg/m3, GQ ug/m3, D41 t/m3, B34 kg/dm3,
28 kg/m2, GM g/m2, KL kg/m, NA mg/kg, J33 ug/kg, A39 m3/kg,
NEW N, B47 kN, B73 MN, C20 mN, DU dyn, C78 [lbf_av], NU N.m, B48 kN.m, B74 MN.m, D83 mN.m, J72 cN.m, 4P N/m, F47 N/mm,
PAL Pa, A97 hPa, KPA kPa, MPA MPa, A89 GPa, 74 mPa, BAR bar, MBR mbar, B85 ubar, ATM atm, PS [psi], HN mm[Hg],
HP mm[H2O],
C65 Pa.s, C24 mPa.s, 89 P, C7 cP, S4 m2/s, C17 mm2/s, 91 St, 4C cSt,
JOU J, KJO kJ, 3B MJ, GV GJ, WHR W.h, KWH kW.h, MWH MW.h, GWH GW.h, J55 W.s, BTU [Btu_IT], E14 kcal_IT,
WTT W, KWT kW, MAW MW, A90 GW, C31 mW, D80 uW, Q35 MW/min, J2 J/kg, B42 kJ/kg, JK MJ/kg, JM MJ/m3,
D54 W/m2, D53 W/(m.K), D55 W/(m2.K), B11 J/(kg.K), B43 kJ/(kg.K),
KGS kg/s, F31 kg/min, E93 kg/h, F30 kg/d, F29 g/s, F28 g/min, F27 g/h, E18 t/h, L78 t/min, L71 t/d, 4U [lb_av]/h,
4W [ston_av]/h,
MQS m3/s, G53 m3/min, MQH m3/h, G52 m3/d, G51 L/s, L2 L/min, E92 dm3/h, LD L/d, 40 mL/s, 41 mL/min, G55 mL/h, 2J cm3/s,
4X kL/h, 2L [cft_i]/min, 2K [cft_i]/h, G2 [gal_us]/min, G50 [gal_us]/h, 5A [bbl_us]/min,
AMP A, B22 kA, 4K mA, B84 uA, AMH A.h, E09 mA.h, COU C, VLT V, KVT kV, B78 MV, 2Z mV, D82 uV, D50 V/m,
OHM Ohm, B49 kOhm, B75 MOhm, E45 mOhm, SIE S, C27 mS, B99 uS, D10 S/m, H61 mS/cm, G42 uS/cm, G43 uS/m, C61 Ohm.m,
C60 Ohm.cm,
FAR F, 4O uF, C41 nF, 4T pF, 81 H, C14 mH, B90 uH, WEB Wb, D33 T, C29 mT, D46 V.A, KVA kV.A, MVA MV.A,
LUX lx, LUM lm, CDL cd, C34 mol, B45 kmol, C18 mmol, C36 mol/m3, C38 mol/L, M33 mmol/L,
BQL Bq, 2Q kBq, CUR Ci, A95 Gy, D13 Sv, C28 mSv, P71 mSv/h, P72 uSv/h
"""


def _number(code: str) -> int:
    """A common code as the number in EUInformation.unitId: its characters, first one highest."""
    return int.from_bytes(code.encode("ascii"), "big")


UCUM: Final = {
    _number(code): meaning
    for code, meaning in (entry.split() for entry in _CODES.replace("\n", " ").split(",") if entry.strip())
}
"""EUInformation.unitId → UCUM code."""


@cache
def of(number: int, name: str) -> str:
    """The UCUM code of a unit by its number, else by how plants write it; empty when it is neither."""
    for code in (UCUM.get(number, ""), unit.HABITS.get(name.strip(), ""), name.strip()):
        if code and _is_ucum(code):
            return code
    return ""


def _is_ucum(code: str) -> bool:
    try:
        unit.check(code)
    except IsthmusError:
        return False
    return True
